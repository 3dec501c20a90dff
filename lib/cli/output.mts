/** Files of embeddings, .jsonl and .npy, that appear under their name only when they are complete. */
import { once } from 'node:events';
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from './arguments.mjs';

/** Where embeddings go, one after the other; end with commit() or discard(). */
export interface EmbeddingWriter {
  /** @param source what was embedded: a path or a text; @param kind its name in .jsonl */
  write(kind: 'image' | 'text', source: string, embedding: Float32Array): Promise<void>;
  commit(): void;
  discard(): void;
}

/** A temporary file beside the target; also gone when the process exits before commit(). */
class PendingFile {
  private readonly temporary: string;
  private readonly descriptor: number;
  private open = true;
  private readonly onExit = () => this.discard();

  constructor(private readonly target: string) {
    this.temporary = path.join(path.dirname(target), `.${path.basename(target)}.${process.pid}.tmp`);
    this.descriptor = openSync(this.temporary, 'wx');
    process.once('exit', this.onExit);
  }

  append(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let done = 0; done < bytes.length; ) done += writeSync(this.descriptor, bytes, done);
  }

  overwrite(data: Uint8Array, position: number): void {
    writeSync(this.descriptor, data, 0, data.length, position);
  }

  commit(): void {
    closeSync(this.descriptor);
    this.open = false;
    renameSync(this.temporary, this.target);
    process.removeListener('exit', this.onExit);
  }

  discard(): void {
    if (this.open) closeSync(this.descriptor);
    this.open = false;
    rmSync(this.temporary, { force: true });
    process.removeListener('exit', this.onExit);
  }
}

const line = (kind: string, source: string, embedding: Float32Array) =>
  `${JSON.stringify({ [kind]: source, embedding: Array.from(embedding) })}\n`;

class JsonlFile implements EmbeddingWriter {
  private readonly file: PendingFile;

  constructor(target: string) {
    this.file = new PendingFile(target);
  }

  async write(kind: string, source: string, embedding: Float32Array): Promise<void> {
    this.file.append(line(kind, source, embedding));
  }

  commit(): void {
    this.file.commit();
  }

  discard(): void {
    this.file.discard();
  }
}

const NPY_HEADER_BYTES = 128;

/** Version 1.0 of NumPy's format, padded so that the row count can be filled in at the end. */
function npyHeader(rows: number, dim: number): Uint8Array {
  const magic = Buffer.from('\u0093NUMPY\u0001\u0000\u0000\u0000', 'latin1');
  magic.writeUInt16LE(NPY_HEADER_BYTES - magic.length, 8);
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dim}), }`;
  return Buffer.concat([magic, Buffer.from(`${text.padEnd(NPY_HEADER_BYTES - magic.length - 1)}\n`, 'latin1')]);
}

/** float32 [n, dim], little endian, in the order of the inputs. */
class NpyFile implements EmbeddingWriter {
  private readonly file: PendingFile;
  private rows = 0;
  private dim = 0;

  constructor(target: string) {
    this.file = new PendingFile(target);
    this.file.append(npyHeader(0, 0));
  }

  async write(_kind: string, _source: string, embedding: Float32Array): Promise<void> {
    this.dim = embedding.length;
    this.rows += 1;
    const bytes = Buffer.alloc(embedding.length * 4);
    for (const [i, value] of embedding.entries()) bytes.writeFloatLE(value, 4 * i);
    this.file.append(bytes);
  }

  commit(): void {
    this.file.overwrite(npyHeader(this.rows, this.dim), 0);
    this.file.commit();
  }

  discard(): void {
    this.file.discard();
  }
}

/** .jsonl lines on standard output, at the reader's pace. */
class JsonlStream implements EmbeddingWriter {
  async write(kind: string, source: string, embedding: Float32Array): Promise<void> {
    if (!process.stdout.write(line(kind, source, embedding))) await once(process.stdout, 'drain');
  }

  commit(): void {}

  discard(): void {}
}

/**
 * @param target path that ends in .jsonl or .npy; undefined: .jsonl on standard output
 * @throws {UsageError} for another ending; a system error where the folder cannot be written
 */
export function embeddingWriter(target: string | undefined): EmbeddingWriter {
  if (target === undefined) return new JsonlStream();
  const extension = path.extname(target);
  if (extension === '.jsonl') return new JsonlFile(target);
  if (extension === '.npy') return new NpyFile(target);
  throw new UsageError(`--output: expected a name that ends in .jsonl or .npy, got '${target}'`);
}
