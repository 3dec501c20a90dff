import { describe, expect, it } from 'vitest';
import { checkStream, encodeInBatches } from '../lib/streams';
import { Tensor } from '../lib/tensor';

const nothing = (): void => undefined;

/** "Embeds" numbers as [x, 0] and writes down what happens. */
function counting(log: string[] = []) {
  return {
    log,
    prepare: async (batch: number[]): Promise<number[]> => {
      log.push(`prepare ${batch.join()}`);
      return batch;
    },
    encode: async (batch: number[]): Promise<Tensor<'float32'>> => {
      log.push(`encode ${batch.join()}`);
      return new Tensor(
        'float32',
        batch.flatMap((x) => [x, 0]),
        [batch.length, 2],
      );
    },
  };
}

async function* numbers(end: number, log: string[] = []): AsyncGenerator<number> {
  try {
    for (let i = 1; i <= end; i++) {
      log.push(`pull ${i}`);
      yield i;
    }
  } finally {
    log.push('closed');
  }
}

describe('encodeInBatches', () => {
  it('gives one row an item, normalised, in order, the last batch short', async () => {
    const { log, prepare, encode } = counting();
    const rows = [];
    for await (const row of encodeInBatches([2, 3, 4, 5, 6], 2, undefined, prepare, encode)) rows.push(row);
    expect(rows.map((row) => row.tolist())).toEqual(Array(5).fill([1, 0]));
    expect(rows.every((row) => row.data.buffer.byteLength === 8)).toBe(true);
    expect(log.filter((line) => line.startsWith('encode'))).toEqual(['encode 2,3', 'encode 4,5', 'encode 6']);
  });

  it('prepares one batch ahead and no further', async () => {
    const { log, prepare, encode } = counting();
    const rows = encodeInBatches(numbers(100, log), 2, undefined, prepare, encode);
    await rows.next();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toContain('prepare 3,4');
    expect(log).not.toContain('pull 5');
    await rows.return();
  });

  it('closes the source when the loop is left', async () => {
    const { log, prepare, encode } = counting();
    for await (const _ of encodeInBatches(numbers(100, log), 2, undefined, prepare, encode)) break;
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toContain('closed');
    expect(log.filter((line) => line.startsWith('pull')).length).toBeLessThanOrEqual(4);
  });

  it('can be left and aborted while the source waits for its next item', async () => {
    const { prepare, encode } = counting();
    async function* stuck(): AsyncGenerator<number> {
      yield 1;
      await new Promise<void>(nothing);
    }
    for await (const _ of encodeInBatches(stuck(), 1, undefined, prepare, encode)) break;

    const controller = new AbortController();
    const rows = encodeInBatches(stuck(), 1, controller.signal, prepare, encode);
    await rows.next();
    const waiting = rows.next();
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED', name: 'AbortError', cause: { message: 'enough' } });
  });

  it('aborts what is being prepared and encoded', async () => {
    const controller = new AbortController();
    const signals: AbortSignal[] = [];
    const rows = encodeInBatches(
      [1, 2],
      1,
      controller.signal,
      async (batch: number[], signal) => {
        signals.push(signal);
        return batch;
      },
      async (batch, signal) => {
        signals.push(signal);
        controller.abort();
        return counting().encode(batch);
      },
    );
    await rows.next().catch(nothing);
    expect(signals.length).toBeGreaterThan(1);
    expect(signals.every((signal) => signal.aborted)).toBe(true);
  });

  it('does nothing with a signal that is aborted already', async () => {
    const { log, prepare, encode } = counting();
    const rows = encodeInBatches([1], 1, AbortSignal.abort(), prepare, encode);
    await expect(rows.next()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(log).toEqual([]);
  });

  it('ends with the error of an item, after the rows before it', async () => {
    const { encode } = counting();
    const prepare = async (batch: number[]): Promise<number[]> => {
      if (batch.includes(3)) throw new Error('three');
      return batch;
    };
    const rows: number[] = [];
    const read = async (): Promise<void> => {
      for await (const row of encodeInBatches(numbers(5), 2, undefined, prepare, encode)) rows.push(row.dims.length);
    };
    await expect(read()).rejects.toThrow('three');
    expect(rows.length).toBe(2);
  });

  it('is empty for an empty source', async () => {
    const { prepare, encode } = counting();
    expect(await encodeInBatches([], 2, undefined, prepare, encode).next()).toEqual({ done: true, value: undefined });
  });
});

describe('checkStream', () => {
  it.each([
    ['a.jpg', 1, /images: got one string, expected an iterable/],
    [7, 1, /images: got number/],
    [null, 1, /images: got object/],
    [new Uint8Array(4), 1, /images: got object/],
    [[], 0, /batch_size: got 0/],
    [[], 1.5, /batch_size: got 1.5/],
  ])('refuses %o with batch_size %d', (source, batchSize, message) => {
    expect(() => checkStream(source, batchSize, 'images')).toThrow(message);
  });
});
