import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { forEachLimited } from '../lib/concurrency';
import { checkOnError, checkStream, encodeInBatches, type StreamPlan } from '../lib/streams';
import { Tensor } from '../lib/tensor';

const nothing = (): void => undefined;

/** "Embeds" numbers as [x, 0] and writes down what happens. */
function counting(log: string[] = []): StreamPlan<number, number> & { log: string[] } {
  return {
    log,
    batchSize: 2,
    ahead: 2,
    signal: undefined,
    onError: 'throw',
    prepare: async (item) => {
      log.push(`prepare ${item}`);
      return item;
    },
    encode: async (batch) => {
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

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('encodeInBatches', () => {
  it('gives one row an item, normalised, in order, the last batch short', async () => {
    const plan = counting();
    const rows = [];
    for await (const row of encodeInBatches([2, 3, 4, 5, 6], plan)) rows.push(row);
    expect(rows.map((row) => row.tolist())).toEqual(Array(5).fill([1, 0]));
    expect(rows.every((row) => row.data.buffer.byteLength === 8)).toBe(true);
    expect(plan.log.filter((line) => line.startsWith('encode'))).toEqual(['encode 2,3', 'encode 4,5', 'encode 6']);
  });

  it.each([1, 2, 5])('prepares %d items ahead and no further', async (ahead) => {
    const plan = counting();
    const rows = encodeInBatches(numbers(100, plan.log), { ...plan, ahead });
    await rows.next();
    await settled();
    expect(plan.log).toContain(`prepare ${2 + ahead}`);
    expect(plan.log).not.toContain(`pull ${3 + ahead}`);
    await rows.return();
  });

  it('keeps the order where later items are ready first', async () => {
    const order: number[] = [];
    const plan: StreamPlan<number, number> = {
      ...counting(),
      ahead: 8,
      prepare: async (item) => {
        await new Promise((resolve) => setTimeout(resolve, item % 3 === 1 ? 15 : 0));
        return item;
      },
      encode: async (batch, stop) => {
        order.push(...batch);
        return counting().encode(batch, stop);
      },
    };
    for await (const _ of encodeInBatches(numbers(12), plan));
    expect(order).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  });

  it('prepares four items at once at most', async () => {
    let running = 0;
    let most = 0;
    const prepare = async (item: number): Promise<number> => {
      most = Math.max(most, ++running);
      await settled();
      running--;
      return item;
    };
    for await (const _ of encodeInBatches(numbers(30), { ...counting(), ahead: 16, prepare }));
    expect(most).toBe(4);
  });

  it('closes the source when the loop is left', async () => {
    const plan = counting();
    for await (const _ of encodeInBatches(numbers(100, plan.log), plan)) break;
    await settled();
    expect(plan.log).toContain('closed');
    expect(plan.log.filter((line) => line.startsWith('pull')).length).toBeLessThanOrEqual(4);
  });

  it('can be left and aborted while the source waits for its next item', async () => {
    const plan = { ...counting(), batchSize: 1 };
    async function* stuck(): AsyncGenerator<number> {
      yield 1;
      await new Promise<void>(nothing);
    }
    for await (const _ of encodeInBatches(stuck(), plan)) break;

    const controller = new AbortController();
    const rows = encodeInBatches(stuck(), { ...plan, signal: controller.signal });
    await rows.next();
    const waiting = rows.next();
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED', name: 'AbortError', cause: { message: 'enough' } });
  });

  it('aborts what is being prepared and encoded', async () => {
    const controller = new AbortController();
    const signals: AbortSignal[] = [];
    const rows = encodeInBatches([1, 2], {
      ...counting(),
      batchSize: 1,
      signal: controller.signal,
      prepare: async (item, stop) => {
        signals.push(stop);
        return item;
      },
      encode: async (batch, stop) => {
        signals.push(stop);
        controller.abort();
        return counting().encode(batch, stop);
      },
    });
    await rows.next().catch(nothing);
    expect(signals.length).toBeGreaterThan(1);
    expect(signals.every((signal) => signal.aborted)).toBe(true);
  });

  it('does nothing with a signal that is aborted already', async () => {
    const plan = counting();
    const rows = encodeInBatches(numbers(3, plan.log), { ...plan, signal: AbortSignal.abort() });
    await expect(rows.next()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(plan.log).toEqual([]);
  });

  describe('with an item that cannot be prepared', () => {
    const failing = (onError: StreamPlan<number, number>['onError']): StreamPlan<number, number> => ({
      ...counting(),
      onError,
      prepare: async (item) => {
        if (item === 2 || item === 4) throw new Error(`item ${item}`);
        return item;
      },
    });

    it('ends with its error, after the rows before it', async () => {
      const rows = encodeInBatches(numbers(5), failing('throw'));
      expect((await rows.next()).value?.tolist()).toEqual([1, 0]);
      await expect(rows.next()).rejects.toThrow('item 2');
      expect((await rows.next()).done).toBe(true);
    });

    it('leaves it out, and tells a callback which one it was', async () => {
      const heard: [string, number, number][] = [];
      for (const onError of ['skip', (e: unknown, i: number, item: number) => heard.push([String(e), i, item])]) {
        let rows = 0;
        const plan = failing(onError as StreamPlan<number, number>['onError']);
        for await (const _ of encodeInBatches(numbers(5), plan)) rows++;
        expect(rows).toBe(3);
      }
      expect(heard).toEqual([
        ['Error: item 2', 1, 2],
        ['Error: item 4', 3, 4],
      ]);
    });
  });

  it('keeps nothing of what has gone through', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const prepared: WeakRef<object>[] = [];
    const plan: StreamPlan<number, object> = {
      ...counting(),
      prepare: async (item) => {
        const object = { item };
        prepared.push(new WeakRef(object));
        return object;
      },
      encode: async (batch) => new Tensor('float32', new Float32Array(2 * batch.length).fill(1), [batch.length, 2]),
    };
    const rows = encodeInBatches(numbers(100), plan);
    for (let i = 0; i < 60; i++) await rows.next();
    await settled();
    collect();
    expect(prepared.filter((one) => one.deref() !== undefined).length).toBeLessThan(10);
    await rows.return();
  });

  it('passes on an error of the source, whatever on_error says', async () => {
    async function* broken(): AsyncGenerator<number> {
      yield 1;
      throw new Error('the source broke');
    }
    const rows = encodeInBatches(broken(), { ...counting(), batchSize: 1, onError: 'skip' });
    await rows.next();
    await expect(rows.next()).rejects.toThrow('the source broke');
  });

  it('ends where what all items need cannot be had, whatever on_error says', async () => {
    const begin = () => Promise.reject(new Error('no preprocessing'));
    const rows = encodeInBatches([1, 2], { ...counting(), begin, onError: 'skip' });
    await expect(rows.next()).rejects.toThrow('no preprocessing');
  });

  it('waits for on_error, and ends with what it throws', async () => {
    const prepare = () => Promise.reject(new Error('unreadable'));
    const onError = async () => Promise.reject(new Error('thrown by on_error'));
    const rows = encodeInBatches([1, 2], { ...counting(), prepare, onError });
    await expect(rows.next()).rejects.toThrow('thrown by on_error');
  });

  it('is empty for an empty source', async () => {
    expect(await encodeInBatches([], counting()).next()).toEqual({ done: true, value: undefined });
  });
});

describe('forEachLimited', () => {
  it('begins nothing for an aborted signal', async () => {
    const begun: number[] = [];
    const work = async (item: number): Promise<void> => void begun.push(item);
    await expect(forEachLimited([1, 2, 3], 2, AbortSignal.abort(), work)).rejects.toMatchObject({ code: 'ABORTED' });
    expect(begun).toEqual([]);
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

it('refuses an on_error of another kind', () => {
  expect(() => checkOnError('ignore')).toThrow(/on_error: got "ignore", expected 'throw', 'skip' or a function/);
});
