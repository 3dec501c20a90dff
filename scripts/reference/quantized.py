"""How much our arithmetic adds to the rounding of the weights.

    npm run build && python scripts/reference/quantized.py FOLDER DTYPE [DTYPE ...]

For each dtype: converts FOLDER (Hugging Face's layout), reads the file with the gguf package, widens its weights to f32,
runs transformers on them and compares our embeddings of the same inputs with transformers', on the file's weights and on
the original ones. Needs torch, transformers, gguf.
"""
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
const { AltCLIPModel } = require(process.argv[1] + '/dist/index.js');
const { readFileSync } = require('node:fs');
(async () => {
  const { ids, pixels } = JSON.parse(readFileSync(0, 'utf8'));
  const model = await AltCLIPModel.from_pretrained(process.argv[2]);
  const text = await model.get_text_features({ input_ids: ids });
  const image = await model.get_image_features({ pixel_values: pixels });
  console.log(JSON.stringify({ text: text.tolist(), image: image.tolist() }));
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


def embeddings(model: AltCLIPModel, ids: torch.Tensor, pixels: torch.Tensor) -> dict:
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=pixels)
    return {"text": out.text_embeds, "image": out.image_embeds}


def distances(a: torch.Tensor, b: torch.Tensor) -> str:
    """1 - cosine: mean and worst."""
    distance = 1 - torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=-1)
    return f"mean {distance.mean():.1e} worst {distance.max():.1e}"


def main() -> None:
    folder, *dtypes = sys.argv[1:]
    torch.manual_seed(5)
    config = AltCLIPConfig.from_pretrained(folder)
    model = AltCLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    text, vision = config.text_config, config.vision_config
    ids = torch.randint(4, text.vocab_size, (8, min(20, text.max_position_embeddings - 2)))
    ids[:, 0], ids[:, -1] = 0, 2
    pixels = torch.randn(4, vision.num_channels, vision.image_size, vision.image_size)
    original = embeddings(model, ids, pixels)
    inputs = json.dumps({"ids": ids.tolist(), "pixels": pixels.tolist()})
    for dtype in dtypes:
        with tempfile.TemporaryDirectory() as work:
            file = f"{work}/model.gguf"
            cli = ["node", str(ROOT / "dist/cli/main.mjs"), "convert", folder, file, "--dtype", dtype]
            subprocess.run(cli, check=True, capture_output=True)
            answer = subprocess.run(["node", "-e", OURS, str(ROOT), file], input=inputs, capture_output=True, text=True, check=True)
            ours = {key: torch.tensor(rows) for key, rows in json.loads(answer.stdout).items()}
            model.load_state_dict(widened(file, model))
            rounded = embeddings(model, ids, pixels)
        for tower in ("text", "image"):
            print(f"{dtype:7} {tower:5}  arithmetic: {distances(ours[tower], rounded[tower])}   "
                  f"with the rounding of weights: {distances(ours[tower], original[tower])}", flush=True)


main()
