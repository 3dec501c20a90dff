import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { AltCLIPError } from '../errors';

/** Where the hub's files are kept, as huggingface_hub: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. */
export function hubFolder(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
  return expandHome(HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || path.join(hubHome(), 'hub'));
}

/** The hub's address, without a slash at its end: HF_ENDPOINT, else huggingface.co. @throws HUB where it is no URL. */
export function hubEndpoint(): string {
  const endpoint = (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new AltCLIPError('HUB', `HF_ENDPOINT: got ${JSON.stringify(endpoint)}, expected an http or https URL`);
  }
  return endpoint;
}

/** Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids the network. */
export function isOffline(): boolean {
  const { HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE } = process.env;
  return /^(?:1|on|yes|true)$/i.test(HF_HUB_OFFLINE || TRANSFORMERS_OFFLINE || '');
}

/** HF_TOKEN, else HUGGING_FACE_HUB_TOKEN, else what `hf auth login` wrote (HF_TOKEN_PATH, else HF_HOME/token). */
export async function hubToken(): Promise<string | undefined> {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH } = process.env;
  const fromEnvironment = cleaned(HF_TOKEN || HUGGING_FACE_HUB_TOKEN || '');
  if (fromEnvironment) return fromEnvironment;
  const file = expandHome(HF_TOKEN_PATH || path.join(hubHome(), 'token'));
  // most people have none, and a public model needs none: where one is needed, the hub's 401 says so
  return cleaned(await readFile(file, 'utf8').catch(() => '')) || undefined;
}

function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return expandHome(HF_HOME || path.join(XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'huggingface'));
}

function expandHome(folder: string): string {
  return folder === '~' || folder.startsWith('~/') ? path.join(os.homedir(), folder.slice(1)) : folder;
}

function cleaned(token: string): string {
  return token.replace(/[\r\n]/g, '').trim();
}
