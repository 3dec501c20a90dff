// onnxruntime-node behind the line protocol of ../peers.mjs: the towers' ONNX files, threads set, all else as it comes.
// A JPEG goes through sharp, as in transformers.js.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { floats, integers, serve } from './serve.mjs';

const side = 224;
const mean = [0.48145466, 0.4578275, 0.40821073];
const std = [0.26862954, 0.26130258, 0.27577711];

await serve(async ({ file, tower, threads, packages }) => {
  const { InferenceSession, Tensor } = createRequire(path.join(packages, 'package.json'))('onnxruntime-node');
  const sharp = createRequire(import.meta.url)('sharp');
  const session = await InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  const features = async (inputs) => (await session.run(inputs)).features.data;
  const images = (values) => new Tensor('float32', values, [values.length / (3 * side * side), 3, side, side]);

  async function preprocess(bytes, target) {
    const rgb = await sharp(bytes).resize(side, side, { fit: 'cover', kernel: 'cubic' }).removeAlpha().raw().toBuffer();
    for (let i = 0; i < side * side; ++i) {
      for (let c = 0; c < 3; ++c) target[c * side * side + i] = (rgb[3 * i + c] / 255 - mean[c]) / std[c];
    }
  }
  if (tower === 'text') {
    return {
      texts({ items, columns, ids, mask }) {
        const int64 = (name) => new Tensor('int64', integers(name), [items, columns]);
        const inputs = { input_ids: int64(ids), attention_mask: int64(mask) };
        return () => features(inputs);
      },
    };
  }
  return {
    images({ pixels }) {
      const inputs = { pixel_values: images(floats(pixels)) };
      return () => features(inputs);
    },
    jpegs({ files }) {
      const bytes = files.map((name) => readFileSync(name));
      return async () => {
        const values = new Float32Array(files.length * 3 * side * side);
        await Promise.all(bytes.map((one, i) => preprocess(one, values.subarray(i * 3 * side * side))));
        return features({ pixel_values: images(values) });
      };
    },
  };
});
