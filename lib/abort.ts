import { AltCLIPError, fromNative } from './errors';
import { type NativeAbortFlag, type NativeAddon, native } from './native';

/** Throws the AbortError for an aborted signal; its reason is the error's cause. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AltCLIPError('ABORTED', 'the operation was aborted', { cause: signal.reason });
}

/**
 * Runs a native call that `signal` can cancel: the returned promise rejects at once, the native side stops at its next
 * check of the flag. `addon` is the one that is called: a flag serves no other.
 */
export async function abortable<T>(
  signal: AbortSignal | undefined,
  start: (flag: NativeAbortFlag | undefined) => Promise<T>,
  addon: NativeAddon = native,
): Promise<T> {
  if (!signal) return fromNative(start(undefined));
  throwIfAborted(signal);
  const flag = new addon.AbortFlag();
  let cancel: (() => void) | undefined;
  const cancelled = new Promise<never>((_, reject) => {
    cancel = () => {
      flag.abort();
      reject(new AltCLIPError('ABORTED', 'the operation was aborted', { cause: signal.reason }));
    };
  });
  signal.addEventListener('abort', cancel as () => void, { once: true });
  try {
    return await fromNative(Promise.race([start(flag), cancelled]));
  } finally {
    signal.removeEventListener('abort', cancel as () => void);
  }
}
