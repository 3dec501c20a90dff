import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { throwIfAborted } from '../abort';
import { AltCLIPError, invalid } from '../errors';
import { download, downloadLimits } from './download';

/** An encoded image (JPEG, PNG, ...) and what to call it in errors. */
export interface EncodedImage {
  bytes: Uint8Array;
  name: string;
}

const maxFileBytes = 2 ** 31 - 1;

/**
 * The bytes behind a path, a file:, http:, https: or data: URL.
 * @param timeout seconds that a download may take.
 * @throws IO for a file or address that cannot be read, a status other than 2xx, more than 100 MB, 10 redirects,
 *   30 s of silence or `timeout`; INVALID_ARGUMENT for another kind of URL; ABORTED.
 */
export async function readSource(
  source: string | URL,
  signal?: AbortSignal,
  timeout = downloadLimits.total / 1000,
): Promise<EncodedImage> {
  throwIfAborted(signal);
  const text = String(source);
  if (/^https?:\/\//i.test(text)) {
    const { bytes, contentType } = await download(text, signal, { ...downloadLimits, total: timeout * 1000 });
    return { bytes, name: contentType ? `${text} (served as ${contentType.slice(0, 60)})` : text };
  }
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
