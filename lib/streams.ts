import { onAbort, throwIfAborted } from './abort';
import { limiter } from './concurrency';
import { AltCLIPError, invalid } from './errors';
import { shown, Tensor } from './tensor';

/** Options of encode_images and encode_texts. */
export interface EncodeOptions {
  /** Items that go through the tower together. */
  batch_size?: number;
  signal?: AbortSignal;
}

/** An item that could not be prepared: its error, its place in the source (from 0) and the item itself. */
export type OnError<Item> = 'throw' | 'skip' | ((error: unknown, index: number, item: Item) => void);

/** How encodeInBatches goes about it. */
export interface StreamPlan<Item, Prepared> {
  batchSize: number;
  /** Items that are prepared, or being prepared, beyond the batch that is in the tower. */
  ahead: number;
  signal: AbortSignal | undefined;
  onError: OnError<Item>;
  /** Makes an item ready for the tower; a few run at once. */
  prepare: (item: Item, stop: AbortSignal) => Promise<Prepared>;
  /** What has to be there before any item; its failure ends the stream whatever onError says. */
  begin?: () => Promise<unknown>;
  /** Features [n, dim] of up to batchSize items. */
  encode: (batch: Prepared[], stop: AbortSignal) => Promise<Tensor<'float32'>>;
}

/** Items being prepared at once; sharp decodes on four threads. */
const maxPreparing = 4;

/**
 * Embeddings of length 1 of the items of `source`, one at a time, in order.
 *
 * While the tower works on a batch, the next items are prepared, `ahead` of them at most, however long the source is.
 * Leaving the loop early stops both. With onError 'throw' an item that cannot be prepared ends the stream with its
 * error, after the rows before it; else it has no row, and a callback hears of it, unless the error is ADDON.
 */
export async function* encodeInBatches<Item, Prepared>(
  source: Iterable<Item> | AsyncIterable<Item>,
  { batchSize, ahead, signal, onError, begin, prepare, encode }: StreamPlan<Item, Prepared>,
): AsyncGenerator<Tensor<'float32'>, void, undefined> {
  const stop = new AbortController();
  const forget = onAbort(signal, () => stop.abort(signal?.reason));
  const items = preparedInOrder(source, ahead, stop.signal, prepare);
  try {
    throwIfAborted(signal);
    if (begin) await untilAborted(begin(), signal);
    for (let done = false; !done; ) {
      const batch: Prepared[] = [];
      let failure: { error: unknown } | undefined;
      while (batch.length < batchSize && !failure) {
        const outcome = await untilAborted(items.next(), signal);
        if (outcome === undefined) {
          done = true;
          break;
        }
        if ('value' in outcome) batch.push(outcome.value);
        else if (onError === 'throw' || isSharpMissing(outcome.error)) failure = outcome;
        else if (onError !== 'skip') await onError(outcome.error, outcome.index, outcome.item);
      }
      if (batch.length > 0) {
        const features = (await untilAborted(encode(batch, stop.signal), signal)).normalize();
        for (const row of features) yield new Tensor('float32', row.data.slice(), row.dims);
      }
      if (failure) throw failure.error;
    }
  } finally {
    forget();
    stop.abort();
    items.close();
  }
}

/** What no item is to blame for: sharp, which all pictures need, is not there. */
function isSharpMissing(error: unknown): boolean {
  return error instanceof AltCLIPError && error.code === 'ADDON';
}

/** `work`, but ABORTED at once when the signal says so. A race with one long-lived promise would keep every result. */
function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = (): void =>
      reject(new AltCLIPError('ABORTED', 'the operation was aborted', { cause: signal?.reason }));
    if (signal?.aborted) abort();
    work.then(resolve, reject).finally(onAbort(signal, abort));
  });
}

type Outcome<Item, Prepared> = { value: Prepared } | { error: unknown; index: number; item: Item };

/** `next` gives what has become of the items, in order, then undefined; it rejects where the source itself fails. */
function preparedInOrder<Item, Prepared>(
  source: Iterable<Item> | AsyncIterable<Item>,
  ahead: number,
  stop: AbortSignal,
  prepare: (item: Item, stop: AbortSignal) => Promise<Prepared>,
): { next: () => Promise<Outcome<Item, Prepared> | undefined>; close: () => void } {
  const iterator = stepper(source);
  const limited = limiter(maxPreparing);
  const slots: Promise<Outcome<Item, Prepared> | undefined>[] = [];
  let turn: Promise<IteratorResult<Item>> = Promise.resolve({ value: undefined as never, done: false });
  let pulled = 0;
  const pull = async (): Promise<Outcome<Item, Prepared> | undefined> => {
    turn = turn.then((last) => (last.done || stop.aborted ? { value: undefined, done: true } : iterator.next()));
    const { value: item, done } = await turn;
    if (done) return undefined;
    const index = pulled++;
    return limited(() => prepare(item, stop)).then(
      (value) => ({ value }),
      (error) => ({ error, index, item }),
    );
  };
  const fill = (count: number): void => {
    while (slots.length < count) {
      const slot = pull();
      slot.catch(() => undefined); // reported when its turn comes
      slots.push(slot);
    }
  };
  return {
    next: async () => {
      fill(1);
      const outcome = await slots.shift();
      fill(ahead);
      return outcome;
    },
    // not awaited: a source that is waiting for its next item would hold up whoever leaves the loop
    close: () => {
      Promise.resolve(iterator.return?.()).catch(() => undefined);
    },
  };
}

function stepper<Item>(source: Iterable<Item> | AsyncIterable<Item>): Iterator<Item> | AsyncIterator<Item> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

/** @throws INVALID_ARGUMENT where `source` is no iterable (a string is one item, not many) or batch_size no count. */
export function checkStream(source: unknown, batchSize: number, what: string): void {
  const iterable =
    typeof source === 'object' && source !== null && (Symbol.iterator in source || Symbol.asyncIterator in source);
  if (!iterable || ArrayBuffer.isView(source)) {
    invalid(
      `${what}: got ${typeof source === 'string' ? 'one string' : typeof source}, expected an iterable of ${what}`,
    );
  }
  checkCount(batchSize, 'batch_size');
}

/** @throws INVALID_ARGUMENT naming `name` where `value` is no positive integer. */
export function checkCount(value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < 1) invalid(`${name}: got ${shown(value)}, expected an integer above 0`);
}

/** @throws INVALID_ARGUMENT where `onError` is none of its kinds. */
export function checkOnError(onError: unknown): void {
  if (onError === 'throw' || onError === 'skip' || typeof onError === 'function') return;
  invalid(`on_error: got ${shown(onError)}, expected 'throw', 'skip' or a function`);
}
