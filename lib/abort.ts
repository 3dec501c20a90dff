import { AltCLIPError, fromNative, invalid } from './errors';
import { type NativeAbortFlag, type NativeAddon, native } from './native';
import { kindOf } from './tensor';

/** Throws the AbortError for an aborted signal; its reason is the error's cause. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  checkSignal(signal);
  if (signal?.aborted) throw new AltCLIPError('ABORTED', 'the operation was aborted', { cause: signal.reason });
}

function checkSignal(signal: unknown): void {
  if (signal === undefined || signal === null || typeof (signal as AbortSignal).addEventListener === 'function') return;
  invalid(`signal: got ${kindOf(signal)}, expected an AbortSignal`);
}

/** Those who wait for one signal: it has one listener of ours, since Node takes more than ten for a leak. */
class Waiting {
  private static readonly all = new WeakMap<AbortSignal, Waiting>();
  private readonly listeners = new Set<() => void>();
  private readonly call = (): void => {
    for (const listener of this.listeners) listener();
  };

  static on(signal: AbortSignal): Waiting {
    const waiting = Waiting.all.get(signal) ?? new Waiting(signal);
    Waiting.all.set(signal, waiting);
    return waiting;
  }

  private constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', this.call, { once: true });
  }

  add(listener: () => void): void {
    this.listeners.add(listener);
  }

  remove(listener: () => void): void {
    if (!this.listeners.delete(listener) || this.listeners.size > 0) return;
    this.signal.removeEventListener('abort', this.call);
    Waiting.all.delete(this.signal);
  }
}

/** Calls `listener` when `signal` aborts; the returned function ends that. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  checkSignal(signal);
  if (!signal) return () => undefined;
  const waiting = Waiting.on(signal);
  waiting.add(listener);
  return () => waiting.remove(listener);
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
  throwIfAborted(signal);
  if (!signal) return fromNative(start(undefined));
  const flag = new addon.AbortFlag();
  let forget = (): void => undefined;
  const cancelled = new Promise<never>((_, reject) => {
    forget = onAbort(signal, () => {
      flag.abort();
      reject(new AltCLIPError('ABORTED', 'the operation was aborted', { cause: signal.reason }));
    });
  });
  try {
    return await fromNative(Promise.race([start(flag), cancelled]));
  } finally {
    forget();
  }
}
