import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { type AltCLIPInputs, AltCLIPModel, AltCLIPTextModel, AltCLIPVisionModel, Tensor } from '../../lib';
import type { DeviceName } from '../../lib/devices';
import type { DType } from '../../lib/pretrained_options';
import { type Difference, difference } from './compare';
import { fixture, readJson } from './fixtures';
import { readSafetensors } from './safetensors';

/** One case of fixtures/outputs/MODEL/cases.json. */
export interface GoldenCase {
  id: string;
  method: string;
  file: string;
  kwargs: Record<string, boolean>;
  outputs: Record<string, { shape: number[]; max_abs: number }>;
}

export interface GoldenModel {
  name: string;
  /** models/FOLDER. */
  model: string;
  same_outputs: string[];
  cases: GoldenCase[];
  errors: { id: string; what: string; raises: string | null }[];
}

export function goldenModels(): GoldenModel[] {
  return readdirSync(fixture('outputs')).map((name) => ({
    name,
    ...readJson<Omit<GoldenModel, 'name'>>('outputs', name, 'cases.json'),
  }));
}

/** The three models of one folder. */
export interface Loaded {
  model: AltCLIPModel;
  text: AltCLIPTextModel;
  vision: AltCLIPVisionModel;
}

export async function loadAll(
  folder: string,
  dtype: DType,
  cache_dir: string,
  num_threads = 1,
  device: DeviceName = 'cpu',
): Promise<Loaded> {
  const options = { dtype, cache_dir, num_threads, device };
  return {
    model: await AltCLIPModel.from_pretrained(folder, options),
    text: await AltCLIPTextModel.from_pretrained(folder, options),
    vision: await AltCLIPVisionModel.from_pretrained(folder, options),
  };
}

export async function disposeAll({ model, text, vision }: Loaded): Promise<void> {
  await Promise.all([model.dispose(), text.dispose(), vision.dispose()]);
}

/** A golden case's inputs and expected outputs. */
export function readCase(
  model: GoldenModel,
  golden: GoldenCase,
): { inputs: AltCLIPInputs; expected: Record<string, Tensor> } {
  const inputs: Record<string, Tensor> = {};
  const expected: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(readSafetensors(fixture('outputs', model.name, golden.file)))) {
    if (name.startsWith('in.')) inputs[name.slice(3)] = tensor;
    else expected[name.slice(4)] = tensor;
  }
  return { inputs: { ...inputs, ...golden.kwargs }, expected };
}

/** Calls the case's method; its outputs flat under the goldens' dotted names. */
async function runCase(
  { model, text, vision }: Loaded,
  method: string,
  inputs: AltCLIPInputs,
): Promise<Record<string, Tensor>> {
  if (method === 'get_text_features') return { text_features: await model.get_text_features(inputs) };
  if (method === 'get_image_features') return { image_features: await model.get_image_features(inputs) };
  if (method === 'AltCLIPTextModel.forward') return flat(await text(inputs));
  if (method === 'AltCLIPVisionModel.forward') return flat(await vision(inputs));
  if (method === 'AltCLIPModel.forward') return flat(await model(inputs));
  throw new Error(`unknown method ${method}`);
}

function flat(value: object, prefix = ''): Record<string, Tensor> {
  return Object.assign(
    {},
    ...Object.entries(value).map(([key, item]) =>
      item instanceof Tensor ? { [prefix + key]: item } : flat(item as object, `${prefix}${key}.`),
    ),
  ) as Record<string, Tensor>;
}

/**
 * Both sides without what attention_mask hides: rows of a text's hidden states, query rows of its attentions. Where no
 * token of a text is visible every row counts.
 */
export function visible(name: string, tensor: Tensor, mask: Tensor | undefined): number[] {
  const data = tensor.data as Float32Array;
  const perToken = /last_hidden_state$|hidden_states\.\d+$|attentions\.\d+$/.test(name);
  if (!mask || !perToken || name.startsWith('vision_model_output')) return [...data];
  const [rows, columns] = mask.dims as [number, number];
  const width = tensor.dims.at(-1) as number;
  const heads = tensor.dims.length === 4 ? (tensor.dims[1] as number) : 1;
  const kept: number[] = [];
  for (let row = 0; row < rows; row++) {
    const tokens = [...(mask.data.subarray(row * columns, (row + 1) * columns) as BigInt64Array)];
    const nothingVisible = tokens.every((token) => token === 0n);
    for (let head = 0; head < heads; head++) {
      for (let column = 0; column < columns; column++) {
        if (tokens[column] === 0n && !nothingVisible) continue;
        const start = ((row * heads + head) * columns + column) * width;
        kept.push(...data.subarray(start, start + width));
      }
    }
  }
  return kept;
}

/** How far one output of a golden case is from transformers'. */
export interface OutputDifference extends Difference {
  /** Dotted, as in 'text_model_output.last_hidden_state'. */
  name: string;
  /** The largest absolute value that transformers has there. */
  scale: number;
}

/** Runs a golden case, expects transformers' outputs and shapes, and measures what attention_mask does not hide. */
export async function measureCase(
  loaded: Loaded,
  golden: GoldenModel,
  golden_case: GoldenCase,
): Promise<OutputDifference[]> {
  const { inputs, expected } = readCase(golden, golden_case);
  const actual = await runCase(loaded, golden_case.method, inputs);
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  const mask = inputs.attention_mask as Tensor | undefined;
  return Object.entries(golden_case.outputs).map(([name, { max_abs }]) => {
    const [got, wanted] = [actual[name] as Tensor, expected[name] as Tensor];
    expect(got.dims, name).toEqual(wanted.dims);
    return { name, scale: max_abs, ...difference(visible(name, got, mask), visible(name, wanted, mask)) };
  });
}
