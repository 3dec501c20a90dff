import { onAbort, throwIfAborted } from '../abort';
import { AltCLIPError } from '../errors';

/** What a server may take and give; times in milliseconds. */
export interface DownloadLimits {
  bytes: number;
  redirects: number;
  /** Before the answer and between its parts. */
  silence: number;
  /** From the request to the last byte. */
  total: number;
}

export const downloadLimits: Readonly<DownloadLimits> = {
  bytes: 100 * 1024 * 1024,
  redirects: 10,
  silence: 30_000,
  total: 300_000,
};

/** What came, and what the server calls it. */
export interface Download {
  bytes: Uint8Array;
  contentType: string | null;
}

/**
 * The body behind an http: or https: URL.
 * @throws IO naming the URL for no answer, a status other than 2xx or what exceeds a limit; ABORTED.
 */
export async function download(
  url: string,
  signal: AbortSignal | undefined,
  limits: DownloadLimits = downloadLimits,
): Promise<Download> {
  const stop = new AbortController();
  const forget = onAbort(signal, () => stop.abort(signal?.reason));
  const after = (time: number, what: string): NodeJS.Timeout =>
    setTimeout(() => stop.abort(new Error(`${what} ${time / 1000} s`)), time);
  const silence = after(limits.silence, 'no answer for');
  const total = after(limits.total, 'not complete after');
  try {
    const response = await follow(url, limits.redirects, stop.signal, () => silence.refresh());
    if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`.trimEnd());
    return {
      bytes: await bodyOf(response, limits.bytes, () => silence.refresh()),
      contentType: response.headers.get('content-type'),
    };
  } catch (error) {
    throwIfAborted(signal);
    const { message, cause } = error as Error & { cause?: Error };
    throw new AltCLIPError('IO', `${url}: cannot be downloaded: ${cause?.message || message}`, { cause: error });
  } finally {
    clearTimeout(silence);
    clearTimeout(total);
    forget();
    stop.abort(); // lets go of a body that was not read to its end
  }
}

async function follow(url: string, limit: number, signal: AbortSignal, onAnswer: () => void): Promise<Response> {
  let at = new URL(url);
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(at, { signal, redirect: 'manual' });
    onAnswer();
    const location = response.headers.get('location');
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
    await response.body?.cancel();
    if (redirects === limit) throw new Error(`is redirected more than ${limit} times`);
    if (!URL.canParse(location, at.href)) throw new Error(`is redirected to ${location}, which is no URL`);
    at = new URL(location, at);
    if (!/^https?:$/.test(at.protocol)) throw new Error(`is redirected to ${at.href}, expected an http(s) URL`);
  }
}

async function bodyOf(response: Response, limit: number, onPart: () => void): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = Number(response.headers.get('content-length')) > limit ? limit + 1 : 0;
  const check = (): void => {
    if (size > limit) throw new Error(`is larger than ${limit / 1024 / 1024} MB`);
  };
  check();
  for await (const part of response.body ?? []) {
    onPart();
    size += part.length;
    check();
    parts.push(part);
  }
  return Buffer.concat(parts);
}
