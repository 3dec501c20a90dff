import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ClassificationOptions,
  type EncodeImagesOptions,
  pipeline,
  type ZeroShotImageClassificationPipeline,
} from '../lib';
import { demoImages, readJson, temporaryFolder } from './helpers/fixtures';
import { openingPictures } from './helpers/pictures';

interface DemoGolden {
  texts: { text: string }[];
  images: { file: string; probs: number[] }[];
}

const golden = readJson<DemoGolden>('demo', 'golden.json');
const labels = golden.texts.map((entry) => entry.text);
const images = golden.images.map((entry) => path.join(demoImages, path.basename(entry.file)));
const first = images[0] as string;

let classifier: ZeroShotImageClassificationPipeline;
beforeAll(async () => {
  classifier = await pipeline(
    'zero-shot-image-classification',
    path.join(__dirname, 'fixtures', 'demo', 'checkpoint'),
    {
      dtype: 'f32',
      cache_dir: temporaryFolder(),
      num_threads: 1,
    },
  );
});
afterAll(() => classifier.dispose());

describe('zero-shot image classification', () => {
  it('gives the probabilities of transformers, the best label first', async () => {
    const results = await classifier(images, labels, { hypothesis_template: '{}' });
    expect(results.length).toBe(images.length);
    results.forEach((result, i) => {
      const probs = golden.images[i]?.probs as number[];
      expect(result.map(({ score }) => score)).toEqual(result.map(({ score }) => score).sort((a, b) => b - a));
      for (const { label, score } of result)
        expect(Math.abs(score - (probs[labels.indexOf(label)] as number))).toBeLessThan(1e-3);
      expect(result[0]?.label).toBe(labels[probs.indexOf(Math.max(...probs))]);
    });
  });

  it('gives one list for one image, and the same from cached labels', async () => {
    const result = await classifier(first, ['red apple', 'pizza', 'lion']);
    expect(result.map(({ label }) => label).sort()).toEqual(['lion', 'pizza', 'red apple']);
    expect(result[0]?.label).toBe('red apple');
    expect(result.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
    expect(await classifier(first, ['red apple', 'pizza', 'lion'])).toEqual(result);
    const reordered = await classifier(first, ['lion', 'red apple', 'pizza']);
    expect(reordered.map(({ label }) => label)).toEqual(result.map(({ label }) => label));
  });

  it('opens pictures as the image processor is asked to', async () => {
    const { photo, tagged } = await openingPictures(temporaryFolder());
    const score = async (image: string, options: ClassificationOptions) =>
      (await classifier(image, ['pizza', 'lion'], options)).find(({ label }) => label === 'lion')?.score as number;
    const of = async (image: string, options: EncodeImagesOptions) => {
      for await (const { data } of classifier.model.encode_images([image], options)) return data;
    };
    for (const [image, option] of [
      [photo, { fast_decode: true }],
      [tagged, { use_icc_profile: true }],
    ] as const) {
      expect(await of(image, option)).not.toEqual(await of(image, {}));
      const [plain, asked] = [await score(image, {}), await score(image, option)];
      expect(asked).not.toBe(plain);
      expect(Math.abs(asked - plain)).toBeLessThan(0.1);
    }
    await expect(classifier(photo, ['lion'], { fast_decode: 'yes' as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/^fast_decode/),
    });
  });

  it('puts the label into the template as it is', async () => {
    const [money] = await classifier([first], ['$& $1 {}', '$& $1 {}']);
    expect(money?.map(({ score }) => score)).toEqual([0.5, 0.5]);
    expect((await classifier(first, 'red apple'))[0]?.score).toBe(1);
    expect(await classifier([], ['red apple'])).toEqual([]);
  });

  it.each<[string, unknown, unknown, object, RegExp]>([
    ['no labels', first, [], {}, /candidate_labels: got an empty array/],
    ['labels that are no strings', first, [3], {}, /candidate_labels: got number/],
    ['labels that are left out', first, undefined, {}, /candidate_labels: got undefined/],
    ['a label that is missing', first, ['cat', undefined], {}, /candidate_labels: got undefined/],
    ['a signal that is none', first, ['cat'], { signal: 3 }, /signal: got number, expected an AbortSignal/],
    ['a template that JSON lacks', first, ['cat'], { hypothesis_template: 1n }, /hypothesis_template: got "1n"/],
    ['a template without {}', first, ['cat'], { hypothesis_template: 'a photo' }, /hypothesis_template: got "a photo"/],
  ])('refuses %s', async (_, image, candidates, options, message) => {
    await expect(classifier(image as string, candidates as string[], options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    });
  });

  it('can be aborted', async () => {
    await expect(classifier(first, ['cat'], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  it('knows one task and has the demo model for a default', async () => {
    await expect(pipeline('text-generation' as never)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    const demo = await pipeline('zero-shot-image-classification');
    expect((await demo(first, ['red apple', 'pizza']))[0]?.label).toBe('red apple');
    await demo.dispose();
    await expect(demo(first, ['red apple', 'pizza'])).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});
