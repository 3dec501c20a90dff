/** A Vulkan driver that grants buffers of 512 kB and no larger (npm run test:vulkan): ggml reads that when it starts it. */
import { describe, expect, it } from 'vitest';
import { AltCLIPModel, AltCLIPProcessor, Tensor } from '../lib';
import type { DeviceName } from '../lib/devices';
import { difference } from './helpers/compare';
import { fixture, temporaryFolder } from './helpers/fixtures';

const device = process.env.ALTCLIP_TEST_DEVICE as DeviceName;
process.env.GGML_VK_FORCE_MAX_ALLOCATION_SIZE = process.env.GGML_VK_FORCE_MAX_BUFFER_SIZE = String(1 << 19);

describe.runIf(device?.startsWith('vulkan'))(`on ${device} with buffers of 512 kB`, () => {
  it('weights that have no room are an error, and smaller ones are taken', async () => {
    const options = { dtype: 'f32', cache_dir: temporaryFolder(), device } as const;
    await expect(AltCLIPModel.from_pretrained(fixture('demo', 'checkpoint'), options)).rejects.toMatchObject({
      name: 'AltCLIPError',
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(/the weights need \d+ MB of memory .* in buffers of at most 1$/),
    });
    await using model = await AltCLIPModel.from_pretrained(fixture('models', 'tiny'), options);
    expect(model.device).toContain(device);
  });

  it('batches are made as small as the memory asks for', async () => {
    await using model = await AltCLIPModel.from_pretrained('demo', { device });
    await using onCpu = await AltCLIPModel.from_pretrained('demo', { device: 'cpu' });
    const processor = await AltCLIPProcessor.from_pretrained('demo');
    const text = Array.from({ length: 100 }, (_, i) => `${'a lion and '.repeat(i % 7)}a key`);
    const inputs = await processor({ text, padding: true });
    const [got, wanted] = [await model.get_text_features(inputs), await onCpu.get_text_features(inputs)];
    expect(difference(got.data as Float32Array, wanted.data as Float32Array).cosine).toBeGreaterThanOrEqual(0.999);
  });

  it('what has no room in the smallest batch is an error, and the model works on', async () => {
    await using model = await AltCLIPModel.from_pretrained('demo', { device });
    const side = 1024;
    const pixel_values = new Tensor('float32', new Float32Array(3 * side * side), [1, 3, side, side]);
    await expect(model.get_image_features({ pixel_values, interpolate_pos_encoding: true })).rejects.toMatchObject({
      name: 'AltCLIPError',
      code: 'OUT_OF_MEMORY',
      message: expect.stringContaining(device),
    });
    for await (const { data } of model.encode_texts(['a lion'])) expect(Math.hypot(...data)).toBeCloseTo(1, 5);
  });
});
