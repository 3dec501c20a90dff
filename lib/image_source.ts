import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { throwIfAborted } from './abort';
import { AltCLIPError, invalid } from './errors';

/** An encoded image (JPEG, PNG, ...) and what to call it in errors. */
export interface EncodedImage {
  bytes: Uint8Array;
  name: string;
}

const maxDownloadBytes = 100 * 1024 * 1024;
const maxFileBytes = 2 ** 31 - 1;
/** A server may stay silent this long, in milliseconds, before its answer and between its parts. */
const maxSilence = 30_000;

/**
 * The bytes behind a path, a file:, http:, https: or data: URL.
 * @throws IO for a file or address that cannot be read, a status other than 2xx, over 100 MB or 30 s of silence;
 *   INVALID_ARGUMENT for another kind of URL; ABORTED.
 */
export async function readSource(source: string | URL, signal?: AbortSignal): Promise<EncodedImage> {
  throwIfAborted(signal);
  const text = String(source);
  if (/^https?:\/\//i.test(text)) return { bytes: await download(text, signal), name: text };
  if (/^data:/i.test(text)) return { bytes: await bytesOfDataUrl(text), name: `${text.slice(0, 40)}...` };
  if (/^file:/i.test(text)) return readPath(pathOf(text), signal);
  if (source instanceof URL) invalid(`image: got ${text}, expected a file:, http:, https: or data: URL`);
  return readPath(text, signal);
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new AltCLIPError('INVALID_ARGUMENT', `image: got ${url}: ${(cause as Error).message}`, { cause });
  }
}

async function readPath(path: string, signal: AbortSignal | undefined): Promise<EncodedImage> {
  if (path === '') invalid("image: got '', expected a path or a URL");
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Error('is not a file');
    if (found.size > maxFileBytes) throw new Error(`has ${found.size} bytes, expected at most ${maxFileBytes}`);
    return { bytes: await readFile(path, { signal }), name: path };
  } catch (cause) {
    throwIfAborted(signal);
    throw new AltCLIPError('IO', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
}

async function bytesOfDataUrl(url: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await (await fetch(url)).arrayBuffer());
  } catch (cause) {
    throw new AltCLIPError('IO', `${url.slice(0, 40)}...: is not a valid data: URL`, { cause });
  }
}

async function download(url: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const stop = new AbortController();
  const cancel = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', cancel, { once: true });
  const silence = setTimeout(() => stop.abort(new Error(`no answer for ${maxSilence / 1000} s`)), maxSilence);
  try {
    const response = await fetch(url, { signal: stop.signal });
    if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`.trimEnd());
    const tooLarge = (): never => {
      throw new Error(`is larger than ${maxDownloadBytes / 1024 / 1024} MB`);
    };
    if (Number(response.headers.get('content-length')) > maxDownloadBytes) tooLarge();
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      silence.refresh();
      size += part.length;
      if (size > maxDownloadBytes) tooLarge();
      parts.push(part);
    }
    return Buffer.concat(parts);
  } catch (error) {
    throwIfAborted(signal);
    const { message, cause } = error as Error & { cause?: Error };
    throw new AltCLIPError('IO', `${url}: cannot be downloaded: ${cause?.message || message}`, { cause: error });
  } finally {
    clearTimeout(silence);
    signal?.removeEventListener('abort', cancel);
    stop.abort(); // lets go of a body that was not read to its end
  }
}
