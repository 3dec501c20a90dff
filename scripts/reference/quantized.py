"""How much our arithmetic adds to the rounding of the weights.

    npm run build && python scripts/reference/quantized.py FOLDER DTYPE [DTYPE ...] [--inputs 64] [--rounded 64]

For each dtype: converts FOLDER (Hugging Face's layout), reads the file with the gguf package, widens its weights to f32,
runs transformers on them and compares our embeddings of the same inputs (random texts of 4 to 77 tokens, random pixels)
with transformers', on the file's weights (the first ROUNDED of the inputs) and on the original ones (all INPUTS). Needs
torch, transformers, gguf.
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import torch
from transformers import AltCLIPConfig, AltCLIPModel

ROOT = Path(__file__).resolve().parents[2]
OURS = """
const [root, file, folder, side] = process.argv.slice(1);
const { AltCLIPModel, Tensor } = require(root + '/dist/index.js');
const { readFileSync } = require('node:fs');
(async () => {
  const { ids, mask } = JSON.parse(readFileSync(folder + '/texts.json', 'utf8'));
  const bytes = readFileSync(folder + '/pixels.f32');
  const model = await AltCLIPModel.from_pretrained(file);
  const text = [], image = [], size = 3 * side * side;
  for (let i = 0; i < ids.length; i++) {
    const pixels = new Float32Array(bytes.buffer, bytes.byteOffset + i * size * 4, size);
    const pixel_values = new Tensor('float32', pixels, [1, 3, Number(side), Number(side)]);
    text.push(...(await model.get_text_features({ input_ids: [ids[i]], attention_mask: [mask[i]] })).tolist());
    image.push(...(await model.get_image_features({ pixel_values })).tolist());
  }
  console.log(JSON.stringify({ text, image }));
})();
"""
NAMES = [  # GGUF -> module names of transformers 5
    (r"^t\.token_embd", "text_model.roberta.embeddings.word_embeddings"),
    (r"^t\.token_types", "text_model.roberta.embeddings.token_type_embeddings"),
    (r"^t\.position_embd", "text_model.roberta.embeddings.position_embeddings"),
    (r"^t\.embd_norm", "text_model.roberta.embeddings.LayerNorm"),
    (r"^t\.post_ln", "text_model.pre_LN"),
    (r"^t\.transform", "text_model.transformation"),
    (r"^t\.projection", "text_projection"),
    (r"^v\.class_embd", "vision_model.embeddings.class_embedding"),
    (r"^v\.patch_embd", "vision_model.embeddings.patch_embedding"),
    (r"^v\.position_embd", "vision_model.embeddings.position_embedding"),
    (r"^v\.pre_ln", "vision_model.pre_layrnorm"),
    (r"^v\.post_ln", "vision_model.post_layernorm"),
    (r"^v\.projection", "visual_projection"),
    (r"^(t|v)\.blk\.(\d+)\.", r"\1_BLOCK.\2."),
]
PARTS = {
    "t": {"attn_q": "attention.self.query", "attn_k": "attention.self.key", "attn_v": "attention.self.value",
          "attn_out": "attention.output.dense", "ln1": "attention.output.LayerNorm", "ffn_up": "intermediate.dense",
          "ffn_down": "output.dense", "ln2": "output.LayerNorm"},
    "v": {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
          "attn_out": "self_attn.out_proj", "ln1": "layer_norm1", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2",
          "ln2": "layer_norm2"},
}


def module_name(name: str) -> str:
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    block = re.match(r"^(t|v)_BLOCK\.(\d+)\.(\w+)\.(weight|bias)$", name)
    if not block:
        return name
    tower, index, part, kind = block.groups()
    prefix = {"t": "text_model.roberta.encoder.layers", "v": "vision_model.encoder.layers"}[tower]
    return f"{prefix}.{index}.{PARTS[tower][part]}.{kind}"


def matches(name: str, state: dict) -> str:
    """The module name, whatever this transformers calls the list of layers."""
    for candidate in (name, name.replace("encoder.layers.", "encoder.layer.")):
        if candidate in state:
            return candidate
    raise KeyError(name)


def widened(file: str, model: AltCLIPModel) -> dict:
    state = model.state_dict()
    for tensor in gguf.GGUFReader(file).tensors:
        name = matches(module_name(tensor.name), state)
        values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy()).float()
        target = state[name]
        if name.endswith("patch_embedding.weight"):  # rows are padded with zeros to a whole block
            values = values.reshape(target.shape[0], -1)[:, : target[0].numel()]
        state[name] = values.reshape(target.shape)
    return state


def inputs_of(config: AltCLIPConfig, n: int, folder: str) -> dict:
    text, vision = config.text_config, config.vision_config
    longest = min(77, text.max_position_embeddings - 2)
    ids = torch.randint(4, text.vocab_size, (n, longest))
    lengths = torch.randint(4, longest + 1, (n, 1))
    mask = (torch.arange(longest) < lengths).long()
    ids[:, 0] = text.bos_token_id
    ids = torch.where(torch.arange(longest) == lengths - 1, text.eos_token_id, ids)
    ids = torch.where(mask == 1, ids, text.pad_token_id)
    pixels = torch.randn(n, vision.num_channels, vision.image_size, vision.image_size)
    Path(folder, "texts.json").write_text(json.dumps({"ids": ids.tolist(), "mask": mask.tolist()}))
    pixels.numpy().tofile(f"{folder}/pixels.f32")
    return {"input_ids": ids, "attention_mask": mask, "pixel_values": pixels}


def embeddings(model: AltCLIPModel, inputs: dict, n: int) -> dict:
    rows = {"text": [], "image": []}
    for first in range(0, n, 8):
        with torch.inference_mode():
            out = model(**{name: values[first : min(first + 8, n)] for name, values in inputs.items()})
        rows["text"].append(out.text_embeds)
        rows["image"].append(out.image_embeds)
    return {tower: torch.cat(parts) for tower, parts in rows.items()}


def distances(a: torch.Tensor, b: torch.Tensor) -> str:
    """1 - cosine: mean and worst, of the rows that both have."""
    n = min(len(a), len(b))
    distance = 1 - torch.nn.functional.cosine_similarity(a[:n].double(), b[:n].double(), dim=-1)
    return f"mean {distance.mean():.1e} worst {distance.max():.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("dtypes", nargs="+")
    parser.add_argument("--inputs", type=int, default=64)
    parser.add_argument("--rounded", type=int, default=64)
    options = parser.parse_args()
    torch.manual_seed(5)
    config = AltCLIPConfig.from_pretrained(options.folder)
    model = AltCLIPModel.from_pretrained(options.folder, dtype=torch.float32).eval()
    with tempfile.TemporaryDirectory() as work:
        inputs = inputs_of(config, options.inputs, work)
        original = embeddings(model, inputs, options.inputs)
        for dtype in options.dtypes:
            file = f"{work}/model.gguf"
            cli = ["node", str(ROOT / "dist/cli/main.mjs"), "convert", options.folder, file, "--dtype", dtype]
            subprocess.run(cli, check=True, capture_output=True)
            run = ["node", "-e", OURS, str(ROOT), file, work, str(config.vision_config.image_size)]
            answer = subprocess.run(run, capture_output=True, text=True, check=True)
            ours = {tower: torch.tensor(rows) for tower, rows in json.loads(answer.stdout).items()}
            model.load_state_dict(widened(file, model))
            rounded = embeddings(model, inputs, min(options.rounded, options.inputs))
            for tower in ("text", "image"):
                print(f"{dtype:7} {tower:5}  arithmetic: {distances(ours[tower], rounded[tower])}   "
                      f"with the rounding of weights: {distances(ours[tower], original[tower])}", flush=True)


main()
