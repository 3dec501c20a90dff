import { AltCLIPError, invalid } from './errors';
import { Tensor } from './tensor';

/** Options of encode_images and encode_texts. */
export interface EncodeOptions {
  /** Items that go through the tower together. */
  batch_size?: number;
  signal?: AbortSignal;
}

/**
 * Embeddings of length 1 of the items of `source`, one at a time, in order.
 *
 * While the tower works on a batch the next one is prepared, so that two batches are in memory, however long the source
 * is. Leaving the loop early stops both. An item that cannot be prepared ends the stream with its error.
 * @param prepare makes a batch ready for the tower; @param encode gives features [n, dim].
 */
export async function* encodeInBatches<Item, Prepared>(
  source: Iterable<Item> | AsyncIterable<Item>,
  batchSize: number,
  signal: AbortSignal | undefined,
  prepare: (batch: Item[], signal: AbortSignal) => Promise<Prepared>,
  encode: (prepared: Prepared, signal: AbortSignal) => Promise<Tensor<'float32'>>,
): AsyncGenerator<Tensor<'float32'>, void, undefined> {
  const stop = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => {
      stop.abort(signal?.reason);
      reject(new AltCLIPError('ABORTED', 'the operation was aborted', { cause: signal?.reason }));
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true, signal: stop.signal });
  });
  aborted.catch(() => undefined);
  const batches = inBatches(source, batchSize);
  const next = async (): Promise<Prepared | undefined> => {
    const { value, done } = await Promise.race([batches.next(), aborted]);
    return done ? undefined : prepare(value, stop.signal);
  };
  try {
    let upcoming = next();
    for (;;) {
      const prepared = await upcoming;
      if (prepared === undefined) return;
      upcoming = next();
      upcoming.catch(() => undefined); // reported when its turn comes
      const features = (await encode(prepared, stop.signal)).normalize();
      for (const row of features) yield new Tensor('float32', row.data.slice(), row.dims);
    }
  } finally {
    stop.abort();
    // not awaited: a source that is waiting for its next item would hold up whoever leaves the loop
    batches.return().catch(() => undefined);
  }
}

async function* inBatches<Item>(
  source: Iterable<Item> | AsyncIterable<Item>,
  size: number,
): AsyncGenerator<Item[], void, undefined> {
  let batch: Item[] = [];
  for await (const item of source) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
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
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    invalid(`batch_size: got ${batchSize}, expected an integer above 0`);
  }
}
