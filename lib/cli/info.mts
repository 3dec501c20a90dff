/** altclip info: what is in a model file, and what this machine computes with. */

import { fromNative } from '../errors.js';
import { list_devices } from '../index.mjs';
import { resolveModel } from '../loading/loading.js';
import type { NativeModelFile } from '../native.js';
import { native } from '../native.js';
import { type Command, parse, UsageError } from './arguments.mjs';
import { DEFAULT_MODEL, loading, modelOptions } from './model.mjs';
import { paint, size, table } from './terminal.mjs';

const help = `Usage: altclip info [MODEL] [OPTIONS]

Shows a model's hyper-parameters, weight types and sizes, and the devices and
instruction sets in use here. MODEL is a .gguf file or a Hugging Face folder;
without it, the embedded demo.

      --tensors       lists every tensor
      --dtype D       weights of a converted folder: f32, f16, bf16, q8_0, q6_k,
                      q5_k, q4_k, q4_0, q5_k_m, q4_k_m; default: as they are
      --json          everything, for programs`;

function hyperParameters({ hparams }: NativeModelFile): string {
  const { text, vision } = hparams;
  const names = [...new Set([...Object.keys(text ?? {}), ...Object.keys(vision ?? {})])];
  const value = (tower: object | undefined, name: string) => {
    const found = (tower as Record<string, unknown> | undefined)?.[name];
    return found === undefined ? '' : typeof found === 'number' ? String(Number(found.toPrecision(6))) : String(found);
  };
  const python = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const rows = names.map((name) => [`  ${python(name)}`, value(text, name), value(vision, name)]);
  return table([['', paint('bold', 'text'), paint('bold', 'vision')], ...rows], [1, 2]);
}

function packing({ packedLayout }: NativeModelFile): string {
  return packedLayout === undefined ? '' : `, packed for the CPU (layout ${packedLayout})`;
}

/** Tensors, elements and bytes of each weight type. */
function weightTypes({ tensors }: NativeModelFile): string {
  const types = new Map<string, { count: number; elements: number; bytes: number }>();
  for (const { type, shape, bytes } of tensors) {
    const sum = types.get(type) ?? { count: 0, elements: 0, bytes: 0 };
    const elements = shape.reduce((product, n) => product * n, 1);
    types.set(type, { count: sum.count + 1, elements: sum.elements + elements, bytes: sum.bytes + bytes });
  }
  const rows = [...types].map(([type, sum]) => [
    `  ${type}`,
    `${sum.count} tensors`,
    `${(sum.elements / 1e6).toFixed(2)} M weights`,
    size(sum.bytes),
  ]);
  return table(rows, [1, 2, 3]);
}

/** What models can run on, the fastest first; a driver that fails is told of, no more. */
async function devices(): Promise<string> {
  try {
    return (await list_devices()).map(({ name, description }) => `${name} (${description})`).join(', ');
  } catch (error) {
    return `cpu; no GPU: ${(error as Error).message}`;
  }
}

export const command: Command = {
  help,
  async run(args, { signal }) {
    const { values, positionals } = parse(args, {
      tensors: { type: 'boolean' },
      json: { type: 'boolean' },
      dtype: modelOptions.dtype,
    });
    if (positionals.length > 1) throw new UsageError('info takes one model');
    const { file } = await loading(values.dtype, signal, (options) =>
      resolveModel(positionals[0] ?? DEFAULT_MODEL, options),
    );
    const model = await fromNative(native.readModelFile(file));
    const system = native.systemInfo();
    if (values.json) {
      console.log(JSON.stringify({ file, ...model, system }, null, 2));
      return;
    }
    const { projectionDim, logitScaleInitValue, text, vision } = model.hparams;
    const scale = text && vision ? `initial logit scale ${Number(logitScaleInitValue.toPrecision(6))}, ` : '';
    console.log(`${paint('bold', model.name)}  ${model.dtype}${packing(model)}, ${size(model.bytes)}
${file}
${projectionDim > 0 ? `projection ${projectionDim}` : 'no projection'}, ${scale}${model.hasTokenizer ? 'with' : 'no'} tokenizer, ${model.preprocessor ? 'with' : 'no'} preprocessor

${hyperParameters(model)}

${weightTypes(model)}`);
    if (values.tensors) {
      const rows = model.tensors.map(({ name, type, shape, bytes }) => [
        `  ${name}`,
        type,
        shape.join(' x '),
        size(bytes),
      ]);
      console.log(`\n${table(rows, [3])}`);
    }
    console.log(`\nthis machine: ${system}\ndevices: ${await devices()}`);
  },
};
