/** What the terminal can show: colours, bars, tables of text in any script, and a line of progress. */
import type { WriteStream } from 'node:tty';
import stringWidth from 'string-width';

type Output = WriteStream | NodeJS.WriteStream;

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Style = keyof typeof CODES;

/** Colours where `stream` is a terminal; NO_COLOR and FORCE_COLOR decide otherwise (no-color.org, force-color.org). */
export function hasColours(stream: Output): boolean {
  const force = process.env.FORCE_COLOR;
  if (force !== undefined && force !== '') return force !== '0' && force !== 'false';
  if (process.env.NO_COLOR) return false;
  return stream.isTTY === true && process.env.TERM !== 'dumb';
}

/** `text` in a style, for standard output. */
export function paint(style: Style, text: string): string {
  return hasColours(process.stdout) ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
}

/** Columns of the terminal; 100 where the output goes elsewhere. */
export const columns = (): number => process.stdout.columns ?? 100;

/** A bar of `width` cells for a fraction 0..1, exact to an eighth of a cell. */
export function bar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(fraction, 0), 1) * width * 8);
  const partial = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
  return padEnd('█'.repeat(Math.floor(eighths / 8)) + partial, width);
}

/** Per cent with one decimal, six columns wide at most. */
export const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** Bytes in the unit that reads best. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Pads to a width in terminal columns, which is not the length where scripts are wide or marks combine. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)));
}

/** Cuts between whole characters so that the text takes at most `width` columns, an ellipsis included. */
export function truncate(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Lays out rows in columns two spaces apart; `right` names the columns that are aligned to the right. */
export function table(rows: string[][], right: number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, stringWidth(cell));
  }
  const lay = (cell: string, i: number) => {
    const padded = padEnd(cell, widths[i] ?? 0);
    return right.includes(i) ? ' '.repeat(padded.length - cell.length) + cell : padded;
  };
  return rows.map((row) => row.map(lay).join('  ').trimEnd()).join('\n');
}

/** A line on standard error that says how far something is; nothing where that is no terminal. */
export class Progress {
  private shown = 0;

  constructor(private readonly title: string) {}

  /** @param total undefined where it is not known: the count alone is shown */
  update(done: number, total: number | undefined, text: string): void {
    const now = Date.now();
    if (!process.stderr.isTTY || now - this.shown < 50) return;
    this.shown = now;
    const fraction = total ? done / total : undefined;
    const meter = fraction === undefined ? '' : `▕${bar(fraction, 24)}▏ ${Math.floor(100 * fraction)} % `;
    process.stderr.write(`\r\u001b[K${truncate(`${this.title} ${meter}${text}`, (process.stderr.columns ?? 80) - 1)}`);
  }

  end(): void {
    if (this.shown) process.stderr.write('\r\u001b[K');
  }
}
