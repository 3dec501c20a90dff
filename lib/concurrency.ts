import { onAbort, throwIfAborted } from './abort';
import { AltCLIPError } from './errors';

/** Runs `work` on every item, at most `limit` at once; the first failure or the signal stops what has not begun. */
export async function forEachLimited<Item>(
  items: Item[],
  limit: number,
  signal: AbortSignal | undefined,
  work: (item: Item, index: number, stop: AbortSignal) => Promise<void>,
): Promise<void> {
  throwIfAborted(signal);
  const stop = new AbortController();
  let forget = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    forget = onAbort(signal, () => {
      stop.abort(signal?.reason);
      reject(new AltCLIPError('ABORTED', 'the operation was aborted', { cause: signal?.reason }));
    });
  });
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < items.length && !stop.signal.aborted) {
      const index = next++;
      await work(items[index] as Item, index, stop.signal);
    }
  };
  try {
    await Promise.race([Promise.all(Array.from({ length: Math.min(limit, items.length) }, run)), aborted]);
  } finally {
    forget();
    stop.abort();
  }
}

/** A function that runs what it is given, at most `limit` at once, in the order of the calls. */
export function limiter(limit: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running === limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
