// altclip behind the line protocol of ../peers.mjs. ALTCLIP_KERNELS=ggml makes it the peer "stock ggml operators".
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { floats, integers, serve } from './serve.mjs';

const { AltCLIPConfig, AltCLIPModel, CLIPImageProcessor, Tensor } = createRequire(import.meta.url)(
  '../../dist/index.js',
);
const { native } = createRequire(import.meta.url)('../../dist/native.js');

await serve(async ({ file, tower, threads }) => {
  const config = await AltCLIPConfig.from_pretrained(file);
  // as from_pretrained, but one tower alone: peers with both would not fit into memory side by side
  const loaded = await native.loadModel(file, { towers: [tower], threads, device: 'cpu' });
  const model = new AltCLIPModel({ native: loaded, config, file });
  const processor = new CLIPImageProcessor();
  return {
    images({ items, pixels }) {
      const pixel_values = new Tensor('float32', floats(pixels), [items, 3, 224, 224]);
      return async () => (await model.get_image_features({ pixel_values })).data;
    },
    texts({ items, columns, ids, mask }) {
      const int64 = (path) => new Tensor('int64', integers(path), [items, columns]);
      const inputs = { input_ids: int64(ids), attention_mask: int64(mask) };
      return async () => (await model.get_text_features(inputs)).data;
    },
    jpegs({ files }) {
      const bytes = files.map((path) => readFileSync(path));
      return async () => (await model.get_image_features(await processor(bytes))).data;
    },
  };
});
