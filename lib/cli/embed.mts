/** altclip embed: embeddings of pictures or texts, as a file for search. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { AltCLIPModel } from '../index.mjs';
import { type Command, countOf, parse, UsageError } from './arguments.mjs';
import { DEFAULT_MODEL, deviceOf, loading, modelHelp, modelOptions } from './model.mjs';
import { embeddingWriter } from './output.mjs';
import { openingOf, pictureHelp, pictureOptions } from './pictures.mjs';
import { Progress } from './terminal.mjs';

const help = `Usage: altclip embed IMAGE... [OPTIONS]
       altclip embed --text T [--text T]... | --texts-file F [OPTIONS]

Embeds pictures or texts into the space they share, one embedding for each, in
their order, normalised to length 1: their dot product is the similarity.

      --text T        a text; may be given again
      --texts-file F  one text a line, blank ones left out; - is standard input
  -o, --output F      .jsonl: {"image" or "text", "embedding"} a line; or
                      .npy: float32 [n, dim] for NumPy
                      (default: .jsonl on standard output)
      --batch-size N  pictures or texts at a time
${pictureHelp}
${modelHelp}

Example:
  altclip embed photos/*.jpg -o photos.npy`;

async function* linesOf(file: string, signal: AbortSignal): AsyncGenerator<string> {
  const input: NodeJS.ReadableStream = file === '-' ? process.stdin : createReadStream(file);
  // readline does not hand on its input's errors
  let failure: Error | undefined;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal });
  input.once('error', (error: Error) => {
    failure = error;
    lines.close();
  });
  for await (const line of lines) if (line.trim() !== '') yield line;
  if (failure) throw failure;
  signal.throwIfAborted(); // an abort closes the interface, which reads like the end of the file
}

/** Passes `sources` on and remembers them until their embedding comes. */
async function* noting<T>(sources: Iterable<T> | AsyncIterable<T>, waiting: T[]): AsyncGenerator<T> {
  for await (const source of sources) {
    waiting.push(source);
    yield source;
  }
}

export const command: Command = {
  help,
  async run(args, { signal }) {
    const { values, positionals: images } = parse(args, {
      text: { type: 'string', multiple: true },
      'texts-file': { type: 'string' },
      output: { type: 'string', short: 'o' },
      'batch-size': { type: 'string' },
      ...pictureOptions,
      ...modelOptions,
    });
    const texts = values.text ?? [];
    const file = values['texts-file'];
    const kinds = [images.length > 0, texts.length > 0, file !== undefined].filter(Boolean).length;
    if (kinds !== 1) throw new UsageError('embed needs one of: pictures, --text, --texts-file');
    const opening = openingOf(values);
    if (images.length === 0 && (opening.fast_decode || opening.use_icc_profile)) {
      throw new UsageError('--fast-decode and --use-icc-profile are for pictures');
    }
    const batch_size = countOf('--batch-size', values['batch-size']);

    const device = deviceOf(values.device);
    const kind = images.length > 0 ? 'image' : 'text';
    const sources = file !== undefined ? linesOf(file, signal) : kind === 'image' ? images : texts;
    const total = file !== undefined ? undefined : images.length + texts.length;
    const waiting: string[] = [];
    const progress = new Progress('embedding');
    const writer = embeddingWriter(values.output);
    try {
      await using model = await loading(values.dtype, signal, (options) =>
        AltCLIPModel.from_pretrained(values.model ?? DEFAULT_MODEL, { ...options, device }),
      );
      const options = { batch_size, signal };
      const embeddings =
        kind === 'image'
          ? model.encode_images(noting(sources, waiting), { ...options, ...opening })
          : model.encode_texts(noting(sources, waiting), options);
      let done = 0;
      for await (const embedding of embeddings) {
        await writer.write(kind, waiting.shift() as string, embedding.data);
        progress.update(++done, total, total === undefined ? String(done) : `${done} of ${total}`);
      }
      writer.commit();
    } finally {
      progress.end();
      writer.discard();
    }
  },
};
