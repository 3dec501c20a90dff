/** What the hub is asked: requests that try again, and errors that say what to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { listFiles, modelInfo } from '@huggingface/hub';
import { throwIfAborted } from '../abort';
import { AltCLIPError } from '../errors';
import { firstWaitMs, longestWaitMs, maxRetries, stallMs } from './patience';
import { hubEndpoint, hubToken } from './settings';

/** The hub could not be reached or did not work: what is in the cache may serve instead. */
export class HubUnreachable extends AltCLIPError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('HUB', message, options);
  }
}

/** A file of the hub as its listing states it. */
export interface HubFile {
  name: string;
  bytes: number;
  /** Name of its blob in the cache: a sha256 of the content, or Git's blob id. */
  etag: string;
  hash: 'sha256' | 'git';
}

/** A commit of a repository, and the names of all its files. */
export interface HubRevision {
  commit: string;
  names: Set<string>;
}

/** One repository on the hub. */
export class HubRepository {
  /** Requests after the first that a failing one is worth. */
  retries = maxRetries;

  private constructor(
    readonly id: string,
    readonly endpoint: string,
    private readonly token: string | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** @throws HUB for an HF_ENDPOINT that is no URL. */
  static async open(id: string, signal: AbortSignal | undefined): Promise<HubRepository> {
    return new HubRepository(id, hubEndpoint(), await hubToken(), signal);
  }

  /** The same for requests that `signal` ends. */
  until(signal: AbortSignal): HubRepository {
    return new HubRepository(this.id, this.endpoint, this.token, signal);
  }

  /** The commit that a branch, tag or commit is. @throws HUB, ABORTED. */
  async revision(revision: string): Promise<HubRevision> {
    const info = await this.ask(() =>
      modelInfo({
        name: this.id,
        revision,
        additionalFields: ['sha', 'filePaths'],
        hubUrl: this.endpoint,
        fetch: this.fetch,
      }),
    );
    const names: unknown = info.filePaths;
    if (!/^[0-9a-f]{40}$/.test(String(info.sha)) || !Array.isArray(names)) this.malformed('a commit and file names');
    return { commit: info.sha, names: new Set((names as unknown[]).filter((name) => typeof name === 'string')) };
  }

  /** The files in a commit's top folder. @throws HUB, ABORTED. */
  async list(commit: string): Promise<Map<string, HubFile>> {
    const files = new Map<string, HubFile>();
    await this.ask(async () => {
      const listing = listFiles({ repo: this.id, revision: commit, hubUrl: this.endpoint, fetch: this.fetch });
      for await (const { type, path: name, size, oid, lfs } of listing) {
        if (type !== 'file') continue;
        const etag = lfs?.oid ?? oid ?? '';
        const bytes = lfs?.size ?? size;
        const valid = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) && Number.isSafeInteger(bytes) && bytes >= 0;
        if (!valid) this.malformed('a size and a hash for every file');
        files.set(name, { name, bytes, etag, hash: lfs ? 'sha256' : 'git' });
      }
    });
    return files;
  }

  /** Where a file's content is. */
  url(commit: string, name: string): string {
    return `${this.endpoint}/${this.id}/resolve/${commit}/${encodeURIComponent(name)}`;
  }

  /**
   * `fetch` for requests to this repository: it sends the token to the hub alone, tries again what may pass (dropped
   * connections, 429 as Retry-After says, 5xx), and throws what stays an error.
   */
  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    if (this.token && url.origin === new URL(this.endpoint).origin) {
      headers.set('Authorization', `Bearer ${this.token}`);
    }
    for (let attempt = 0; ; attempt++) {
      throwIfAborted(this.signal);
      const failure = await this.once(url, { ...init, headers });
      if (failure instanceof Response) return failure;
      if (attempt >= this.retries || failure.wait === undefined || failure.wait > longestWaitMs) throw failure.error;
      await this.pause(Math.max(failure.wait, firstWaitMs * 2 ** attempt));
    }
  };

  /** Waits; returns early where the signal aborts. */
  async pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, this.signal && { signal: this.signal }).catch(() => undefined);
    throwIfAborted(this.signal);
  }

  private async once(url: URL, init: RequestInit): Promise<Response | { error: AltCLIPError; wait?: number }> {
    const stall = new AbortController();
    const timer = setTimeout(() => stall.abort(new Error(`no answer for ${stallMs / 1000} s`)), stallMs);
    const signal = this.signal ? AbortSignal.any([this.signal, stall.signal]) : stall.signal;
    let response: Response;
    try {
      response = await fetch(url, { ...init, signal });
    } catch (cause) {
      throwIfAborted(this.signal);
      const message = `${this.id}: the hub cannot be reached at ${this.endpoint}: ${reasonOf(cause)}`;
      return { error: new HubUnreachable(message, { cause }), wait: 0 };
    } finally {
      clearTimeout(timer);
    }
    if (response.ok) return response;
    await response.body?.cancel().catch(() => undefined);
    return this.refusal(response, url);
  }

  private refusal(response: Response, url: URL): { error: AltCLIPError; wait?: number } {
    const { status, headers } = response;
    const reason = headers.get('X-Error-Message');
    const about = `${this.id}: the hub answered ${status}${reason ? ` (${reason})` : ''} for ${url.origin}${url.pathname}`;
    if (status === 429) {
      const wait = retryAfter(headers.get('Retry-After'));
      const advice = `too many requests, try again ${wait ? `in ${Math.ceil(wait / 1000)} s` : 'later'}; HF_TOKEN raises the limit`;
      return { error: new HubUnreachable(`${about}: ${advice}`), wait };
    }
    if (status === 408 || status >= 500) return { error: new HubUnreachable(about), wait: 0 };
    const advice =
      {
        401: this.token
          ? 'no such repository, or the token (HF_TOKEN, or the one hf auth login wrote) may not read it'
          : 'no such repository, or a private one: set HF_TOKEN',
        403: `the token may not read it; ask for access at ${this.endpoint}/${this.id}`,
        404:
          headers.get('X-Error-Code') === 'RevisionNotFound'
            ? 'no such revision'
            : 'no such repository, revision or file',
      }[status] ?? 'expected 200';
    return { error: new AltCLIPError('HUB', `${about}: ${advice}`) };
  }

  /** Errors of the library and of broken answers, as ours. */
  private async ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (cause) {
      throwIfAborted(this.signal);
      if (cause instanceof AltCLIPError) throw cause;
      throw new HubUnreachable(`${this.id}: the answer of ${this.endpoint} cannot be read: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }

  private malformed(expected: string): never {
    throw new AltCLIPError('HUB', `${this.id}: the answer of ${this.endpoint} is not the hub's, expected ${expected}`);
  }
}

/** An error's text, with that of what is under it: fetch itself says "fetch failed" only. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const detail = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : undefined;
  return detail ? `${error.message}: ${detail}` : error.message;
}

/** Milliseconds of a Retry-After in seconds or as a date. */
function retryAfter(value: string | null): number {
  const seconds = Number(value ?? 0);
  const wait = Number.isFinite(seconds) ? 1000 * seconds : Date.parse(value as string) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}
