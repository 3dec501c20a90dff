/** altclip demo: the embedded model answers about the pictures of models/demo, in ten languages each. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Classification, pipeline } from '../index.mjs';
import { demoFolder } from '../loading/demo_model.js';
import { type Command, parse } from './arguments.mjs';
import { DEFAULT_MODEL } from './model.mjs';
import { bar, columns, paint, percent, table, truncate } from './terminal.mjs';

/** An entry of models/demo/labels.json. */
interface Picture {
  file: string;
  emoji: string;
  candidates: { text: string; language: string; picture: string }[];
}

const help = `Usage: altclip demo

Classifies twelve pictures with ten labels each, each label in another language,
with the model that comes with the package.`;

/** Columns from which there is room for the languages' names. */
const WIDE = 100;

const languages = new Intl.DisplayNames(['en'], { type: 'language' });

/** The table's row for one picture, and whether the best label names it. */
function row(picture: Picture, scores: Classification[], milliseconds: number) {
  const [best, second] = scores as [Classification, Classification];
  const candidate = picture.candidates.find(({ text }) => text === best.label);
  const name = path.parse(picture.file).name;
  const right = candidate?.picture === name;
  const language = candidate?.language ?? '';
  const wide = columns() >= WIDE;
  const cells = [
    `${picture.emoji} ${name}`,
    `${right ? paint('green', '✓') : paint('red', '✗')} ${paint('bold', truncate(best.label, 18))}`,
    wide ? (languages.of(language) ?? language) : language,
    `${paint(right ? 'green' : 'red', bar(best.score, wide ? 15 : 8))} ${percent(best.score).padStart(7)}`,
    paint('dim', truncate(second.label, wide ? 20 : 13)),
    (milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`).padStart(6),
  ];
  return { cells, right };
}

export const command: Command = {
  help,
  async run(args, { signal, program }) {
    parse(args, {});
    const folder = path.join(demoFolder(), 'demo');
    const pictures = JSON.parse(readFileSync(path.join(folder, 'labels.json'), 'utf8')) as Picture[];
    const classify = await pipeline('zero-shot-image-classification', DEFAULT_MODEL, { signal });
    const titles = [
      'picture',
      '  best of ten labels',
      columns() >= WIDE ? 'language' : '',
      'probability',
      'runner-up',
      'time',
    ];
    const rows = [titles.map((title) => paint('dim', title))];
    let hits = 0;
    try {
      // the first call also starts the image decoder, which is no picture's fault
      await classify(path.join(folder, 'lion.png'), ['-'], { signal });
      for (const picture of pictures) {
        const labels = picture.candidates.map(({ text }) => text);
        const start = performance.now();
        const options = { hypothesis_template: '{}', signal };
        const scores = await classify(path.join(folder, picture.file), labels, options);
        const { cells, right } = row(picture, scores, performance.now() - start);
        rows.push(cells);
        hits += Number(right);
      }
    } finally {
      await classify.dispose();
    }
    const own = path.relative(process.cwd(), path.join(folder, 'lion.png'));
    console.log(`
${table(rows, [5])}

${hits} of ${pictures.length} right, on ${classify.model.device}. It knows drawings of simple things; try one of your own:
  ${paint('cyan', `${program} classify ${own} --labels "Löwe,피자,arco iris,кактус"`)}
For photographs take BAAI/AltCLIP; the first time downloads 3.2 GB from the Hugging Face hub:
  ${paint('cyan', `${program} classify photo.jpg --labels "dog,chat" --model BAAI/AltCLIP --dtype q8_0`)}`);
  },
};
