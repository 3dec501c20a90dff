/** The page: takes a picture, shows how well each word fits it. */
import type { Answer, Bridge } from './protocol.js';

declare global {
  interface Window {
    altclip: Bridge;
  }
}

const element = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const drop = element<HTMLLabelElement>('drop');
const file = element<HTMLInputElement>('file');
const picture = element<HTMLImageElement>('picture');
const words = element<HTMLInputElement>('words');
const bars = element<HTMLOListElement>('bars');

let shown: Uint8Array | undefined;
let asked = 0;

function bar(label: string, score: number): HTMLLIElement {
  const item = document.createElement('li');
  item.style.setProperty('--score', String(score));
  item.append(label, Object.assign(document.createElement('output'), { value: `${(100 * score).toFixed(1)} %` }));
  return item;
}

function show(answer: Answer): void {
  if ('error' in answer) bars.replaceChildren(answer.error);
  else bars.replaceChildren(...answer.labels.map(({ label, score }) => bar(label, score)));
}

/** Asks about the picture that is shown; an answer that a later question has overtaken is dropped. */
async function ask(): Promise<void> {
  const labels = words.value.split(',').flatMap((word) => word.trim() || []);
  if (!shown || labels.length === 0) return;
  const question = ++asked;
  const answer = await window.altclip.classify(shown, labels);
  if (question === asked) show(answer);
}

async function open(chosen: File | undefined): Promise<void> {
  if (!chosen) return;
  shown = new Uint8Array(await chosen.arrayBuffer());
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(chosen);
  await ask();
}

drop.addEventListener('dragover', (event) => event.preventDefault());
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  void open(event.dataTransfer?.files[0]);
});
file.addEventListener('change', () => void open(file.files?.[0]));
words.addEventListener('change', () => void ask());
