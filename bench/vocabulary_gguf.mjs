// A GGUF file of nothing but a tokenizer, from tokenizer.json: what the loader reads of a converted model.
import { writeFileSync } from 'node:fs';

const types = { u8: 0, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 };

const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const string = (text) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
};
const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const entry = (key, type, value) => Buffer.concat([string(key), u32(types[type]), value]);
const array = (key, type, n, values) => entry(key, 'array', Buffer.concat([u32(types[type]), u64(n), values]));

/**
 * @param {{ model: { vocab: [string, number][] }, normalizer: object }} json tokenizer.json, parsed, of XLM-R
 * @param {string} file the GGUF file to write
 */
export function writeVocabularyGguf(json, file) {
  const { vocab } = json.model;
  const n = vocab.length;
  const special = { bos: 0, padding: 1, eos: 2, unknown: 3, seperator: 2, cls: 0, mask: n - 1 };
  const types = Int32Array.from({ length: n }, (_, id) => (id === special.unknown ? 2 : 1));
  for (const id of [special.bos, special.padding, special.eos, special.mask]) types[id] = 3;
  const parts = json.normalizer.normalizers ?? [json.normalizer];
  const map = Buffer.from(parts.find((part) => part.type === 'Precompiled').precompiled_charsmap, 'base64');
  const key = (name) => `tokenizer.ggml.${name}`;
  const entries = [
    entry(key('model'), 'string', string('t5')),
    array(key('tokens'), 'string', n, Buffer.concat(vocab.map(([token]) => string(token)))),
    array(key('scores'), 'f32', n, bytesOf(Float32Array.from(vocab, ([, score]) => score))),
    array(key('token_type'), 'i32', n, bytesOf(types)),
    array(key('precompiled_charsmap'), 'u8', map.length, map),
    ...Object.entries(special).map(([name, id]) => entry(key(`${name}_token_id`), 'u32', u32(id))),
    entry(key('add_space_prefix'), 'bool', Buffer.of(1)),
    entry(key('remove_extra_whitespaces'), 'bool', Buffer.of(1)),
  ];
  const head = [Buffer.from('GGUF'), u32(3), u64(0), u64(entries.length)];
  writeFileSync(file, Buffer.concat([...head, ...entries]));
}
