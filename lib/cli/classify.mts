/** altclip classify: which of some labels fits a picture best. */
import { type Classification, pipeline } from '../index.mjs';
import { type Command, parse, UsageError } from './arguments.mjs';
import { DEFAULT_MODEL, deviceOf, loading, modelHelp, modelOptions } from './model.mjs';
import { openingOf, pictureHelp, pictureOptions } from './pictures.mjs';
import { bar, columns, paint, percent, table, truncate } from './terminal.mjs';

const help = `Usage: altclip classify IMAGE... --labels a,b,c [OPTIONS]

Says how well each label fits each picture: probabilities that sum to 1 over the
labels. Labels may be in any language the model knows, and be mixed.

  -l, --labels L      labels, separated by commas; may be given again
  -t, --template T    text around each label, {} marks the place (default: {})
${pictureHelp}
${modelHelp}
      --json          prints [{"image", "labels": [{"label", "score"}]}]

Example:
  altclip classify lion.png --labels "Löwe,pizza,虹"`;

function print(image: string, scores: Classification[]): void {
  const width = Math.max(20, columns() - 40);
  const rows = scores.map(({ label, score }, i) => {
    const cells = [`  ${truncate(label, width)}`, bar(score, 20), percent(score)];
    return i === 0 ? [cells[0] as string, paint('green', cells[1] as string), cells[2] as string] : cells;
  });
  console.log(`${paint('bold', image)}\n${table(rows, [2])}`);
}

export const command: Command = {
  help,
  async run(args, { signal }) {
    const { values, positionals: images } = parse(args, {
      labels: { type: 'string', short: 'l', multiple: true },
      template: { type: 'string', short: 't' },
      json: { type: 'boolean' },
      ...pictureOptions,
      ...modelOptions,
    });
    const labels = (values.labels ?? [])
      .flatMap((list) => list.split(','))
      .map((label) => label.trim())
      .filter(Boolean);
    if (images.length === 0) throw new UsageError('classify needs a picture');
    if (labels.length === 0) throw new UsageError('classify needs --labels');
    const hypothesis_template = values.template ?? '{}';
    if (!hypothesis_template.includes('{}')) throw new UsageError('--template: expected a text with {} in it');

    const device = deviceOf(values.device);
    const classify = await loading(values.dtype, signal, (options) =>
      pipeline('zero-shot-image-classification', values.model ?? DEFAULT_MODEL, { ...options, device }),
    );
    try {
      const results = [];
      for (const image of images) {
        const scores = await classify(image, labels, { hypothesis_template, signal, ...openingOf(values) });
        results.push({ image, labels: scores });
        if (!values.json) print(image, scores);
      }
      if (values.json) console.log(JSON.stringify(results, null, 2));
    } finally {
      await classify.dispose();
    }
  },
};
