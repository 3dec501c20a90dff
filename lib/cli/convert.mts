/** altclip convert: a Hugging Face folder becomes one GGUF file. */
import path from 'node:path';
import { abortable } from '../abort.js';
import { native } from '../native.js';
import { type Command, parse, UsageError } from './arguments.mjs';
import { dtypeOf } from './model.mjs';
import { Progress, size } from './terminal.mjs';

const help = `Usage: altclip convert FOLDER OUT.gguf [--dtype D] [--tower T] [--packed]

Converts a checkpoint in Hugging Face's layout (its JSON files, the tokenizer,
the weights) into one file. It streams: memory stays small whatever the model's
size. OUT.gguf appears when it is complete.

      --dtype D       auto (the checkpoint's own, default), f32, f16, bf16,
                      q8_0, q6_k, q5_k, q4_k, q4_0, or a mix that keeps finer
                      what rounding hurts most (values and outputs of the
                      blocks, patches, projections): q5_k_m (as q8_0),
                      q4_k_m (as q6_k)
      --tower T       text or vision: that tower alone, all that a search box
                      or an indexer needs of the model; the folder may lack
                      the other's weights
      --packed        weights in the order in which the CPU reads them: such a
                      file is ready as soon as it is opened, and runs on CPUs
                      alone; another version of altclip may ask for it to be
                      converted again

Example, once BAAI/AltCLIP lies in the folder AltCLIP:
  altclip convert AltCLIP AltCLIP-q8_0.gguf --dtype q8_0`;

export const command: Command = {
  help,
  async run(args, { signal }) {
    const { values, positionals } = parse(args, {
      dtype: { type: 'string' },
      tower: { type: 'string' },
      packed: { type: 'boolean' },
    });
    const [source, output] = positionals;
    if (!source || !output || positionals.length > 2) throw new UsageError('convert needs FOLDER and OUT.gguf');
    if (path.extname(output) !== '.gguf') throw new UsageError(`expected a name that ends in .gguf, got '${output}'`);
    const dtype = dtypeOf(values.dtype);
    const { tower, packed } = values;
    if (tower !== undefined && tower !== 'text' && tower !== 'vision') {
      throw new UsageError(`--tower: expected text or vision, got '${tower}'`);
    }

    const progress = new Progress('converting');
    const begin = performance.now();
    const onProgress = (done: number, total: number) => {
      const left = Math.ceil((((performance.now() - begin) / 1000) * (total - done)) / done);
      progress.update(done, total, `${size(done)} of ${size(total)}, ${left} s left`);
    };
    try {
      const report = await abortable(signal, (abort) =>
        native.convertModel({ source, output, dtype, tower, packed, abort, onProgress }),
      );
      progress.end();
      console.log(`${output}: ${report.tensors} tensors, ${report.dtype}, ${size(report.bytes)}`);
    } finally {
      progress.end();
    }
  },
};
