/** altclip convert: a Hugging Face folder becomes one GGUF file. */
import path from 'node:path';
import { abortable } from '../abort.js';
import { native } from '../native.js';
import { type Command, parse, UsageError } from './arguments.mjs';
import { dtypeOf } from './model.mjs';
import { Progress, size } from './terminal.mjs';

const help = `Usage: altclip convert FOLDER OUT.gguf [--dtype D]

Converts a checkpoint in Hugging Face's layout (its JSON files, the tokenizer,
the weights) into one file. It streams: memory stays small whatever the model's
size. OUT.gguf appears when it is complete.

      --dtype D       auto (the checkpoint's own, default), f32, f16, bf16, q8_0

Example, once BAAI/AltCLIP lies in the folder AltCLIP:
  altclip convert AltCLIP AltCLIP-q8_0.gguf --dtype q8_0`;

export const command: Command = {
  help,
  async run(args, { signal }) {
    const { values, positionals } = parse(args, { dtype: { type: 'string' } });
    const [source, output] = positionals;
    if (!source || !output || positionals.length > 2) throw new UsageError('convert needs FOLDER and OUT.gguf');
    if (path.extname(output) !== '.gguf') throw new UsageError(`expected a name that ends in .gguf, got '${output}'`);
    const dtype = dtypeOf(values.dtype);

    const progress = new Progress('converting');
    const onProgress = (done: number, total: number) => progress.update(done, total, `${size(done)} of ${size(total)}`);
    try {
      const report = await abortable(signal, (abort) =>
        native.convertModel({ source, output, dtype, abort, onProgress }),
      );
      progress.end();
      console.log(`${output}: ${report.tensors} tensors, ${report.dtype}, ${size(report.bytes)}`);
    } finally {
      progress.end();
    }
  },
};
