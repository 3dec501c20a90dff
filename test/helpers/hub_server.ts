/** A Hugging Face hub on this machine: the endpoints that huggingface_hub and @huggingface/hub use, and faults on demand. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

/** What a request meets instead of an answer; `undefined`: the answer. */
export type Fault = (request: { method: string; path: string; range: number }) => Misdeed | undefined;

export type Misdeed =
  | { status: number; headers?: Record<string, string> }
  /** The connection breaks after so many bytes of the body. */
  | { cutAfter: number }
  /** Nothing comes after so many bytes of the body, and the connection stays. */
  | { stallAfter: number }
  /** No answer ever comes, and the connection stays. */
  | { silent: true }
  /** The body is another of the same length. */
  | { corrupt: true }
  /** The body is longer or shorter than the listing says. */
  | { length: number }
  /** Range is not honoured. */
  | { whole: true };

interface Stored {
  content: Buffer;
  lfs: boolean;
  etag: string;
}

export class HubServer {
  /** METHOD PATH of every request, with the first byte asked for and when it came, in milliseconds. */
  readonly requests: { method: string; path: string; range: number; token: string | undefined; time: number }[] = [];
  fault: Fault = () => undefined;
  /** Answers that are under way. */
  answering = 0;
  /** Who may read. */
  token: string | undefined;
  private readonly files = new Map<string, Stored>();
  private readonly server = http.createServer((request, response) => this.serve(request, response));

  private constructor(readonly id: string) {}

  /** A server with one repository that holds a folder's files; the large ones in LFS, behind a redirect. */
  static async start(id: string, folder: string): Promise<HubServer> {
    const hub = new HubServer(id);
    for (const name of readdirSync(folder)) hub.put(name, readFileSync(path.join(folder, name)));
    hub.server.listen(0, '127.0.0.1');
    await once(hub.server, 'listening');
    return hub;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** A hash of everything the repository holds. */
  get commit(): string {
    const hash = createHash('sha1');
    for (const [name, { etag }] of [...this.files].sort()) hash.update(`${name} ${etag}\n`);
    return hash.digest('hex');
  }

  put(name: string, content: Buffer): void {
    const lfs = /\.(?:safetensors|bin|gguf|model)$/.test(name);
    const hash = lfs ? createHash('sha256') : createHash('sha1').update(`blob ${content.length}\0`);
    this.files.set(name, { content, lfs, etag: hash.update(content).digest('hex') });
  }

  remove(name: string): void {
    this.files.delete(name);
  }

  etag(name: string): string {
    return (this.files.get(name) as Stored).etag;
  }

  /** Paths of the files whose content was asked for. */
  downloads(): string[] {
    return this.requests
      .filter(({ path: where }) => where.includes('/resolve/'))
      .map(({ path: where }) => path.basename(where));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.endpoint);
    const method = request.method ?? '';
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const range = Number(asked?.[1] ?? 0);
    const token = request.headers.authorization?.replace('Bearer ', '');
    this.requests.push({ method, path: url.pathname, range, token, time: performance.now() });
    this.answering++;
    response.on('close', () => this.answering--);
    const misdeed = this.fault({ method, path: url.pathname, range });
    if (misdeed && 'silent' in misdeed) return;
    if (misdeed && 'status' in misdeed) {
      response.writeHead(misdeed.status, misdeed.headers).end();
      return;
    }
    if (url.pathname.startsWith('/lfs/')) {
      // as the hub's storage: an address that is signed, so no token is sent or looked at
      this.content(url.pathname.slice('/lfs/'.length), request, response, misdeed);
      return;
    }
    if (this.token && token !== this.token) {
      response.writeHead(401, { 'X-Error-Code': 'RepoNotFound', 'X-Error-Message': 'Invalid credentials' }).end();
      return;
    }
    const api = `/api/models/${this.id}`;
    if (url.pathname === `${api}/revision/main` || url.pathname === `${api}/revision/${this.commit}`) {
      const siblings = [...this.files.keys()].map((rfilename) => ({ rfilename }));
      this.json(response, { _id: '1', id: this.id, sha: this.commit, siblings });
    } else if (url.pathname === `${api}/tree/${this.commit}`) {
      this.json(response, this.tree());
    } else if (url.pathname.startsWith(`/${this.id}/resolve/`)) {
      const name = path.basename(url.pathname);
      const file = this.files.get(name);
      if (!file) this.missing(response, 'EntryNotFound');
      else this.resolve(name, file, request, response, misdeed);
    } else {
      this.missing(response, url.pathname.startsWith(`${api}/`) ? 'RevisionNotFound' : 'RepoNotFound');
    }
  }

  // as the hub's, the storage is another host: huggingface_hub takes the metadata of the last answer of the same host
  private resolve(
    name: string,
    file: Stored,
    request: IncomingMessage,
    response: ServerResponse,
    misdeed?: Misdeed,
  ): void {
    response.setHeader('X-Repo-Commit', this.commit);
    response.setHeader('X-Linked-Size', file.content.length);
    response.setHeader('X-Linked-Etag', `"${file.etag}"`);
    response.setHeader('ETag', `"${file.etag}"`);
    if (file.lfs)
      response.writeHead(302, { Location: `${this.endpoint.replace('127.0.0.1', 'localhost')}/lfs/${name}` }).end();
    else this.content(name, request, response, misdeed);
  }

  private content(name: string, request: IncomingMessage, response: ServerResponse, misdeed?: Misdeed): void {
    const { content } = this.files.get(name) as Stored;
    const asked = misdeed && 'whole' in misdeed ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = Number(asked?.[1] ?? 0);
    const end = asked?.[2] ? Math.min(Number(asked[2]) + 1, content.length) : content.length;
    let body: Buffer = content.subarray(start, end);
    if (misdeed && 'corrupt' in misdeed) body = Buffer.alloc(body.length, 7);
    if (misdeed && 'length' in misdeed) body = Buffer.alloc(misdeed.length, 7);
    response.writeHead(asked ? 206 : 200, {
      'Content-Length': body.length,
      'Accept-Ranges': 'bytes',
      ...(asked && { 'Content-Range': `bytes ${start}-${end - 1}/${content.length}` }),
    });
    if (request.method === 'HEAD') response.end();
    else if (misdeed && 'cutAfter' in misdeed) {
      response.write(body.subarray(0, misdeed.cutAfter), () => response.destroy());
    } else if (misdeed && 'stallAfter' in misdeed) {
      response.flushHeaders();
      response.write(body.subarray(0, misdeed.stallAfter));
    } else response.end(body);
  }

  private tree(): unknown[] {
    return [...this.files].map(([name, { content, lfs, etag }]) => ({
      type: 'file',
      path: name,
      size: content.length,
      oid: lfs ? createHash('sha1').update(etag).digest('hex') : etag,
      ...(lfs && { lfs: { oid: etag, size: content.length, pointerSize: 134 } }),
    }));
  }

  private json(response: ServerResponse, value: unknown): void {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
  }

  private missing(response: ServerResponse, code: string): void {
    response.writeHead(404, { 'X-Error-Code': code }).end();
  }
}
