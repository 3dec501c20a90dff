"""Which weights deserve more bits: what rounding a part of a model costs, and what mixes of two types come to.

    npm run build && python scripts/reference/mixes.py FOLDER [--coarse q4_k] [--fine q6_k] [--images 8] [--work FOLDER]

Prints 1 - cosine of transformers' embeddings to those of the unrounded weights, mean of random pixels and of twice as
many random texts (as in quantized.py). First with one part of a tower rounded to the coarse type and all else f32; then
with the whole tower coarse but for what a mix keeps fine, and the megabytes of such a tower. Needs torch, transformers,
gguf.
"""
import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import torch
from gguf_weights import load_gguf, reader
from quantized import ROOT, inputs_of
from transformers import AltCLIPConfig, AltCLIPModel

TABLE = {"t": "token_embd", "v": "patch_embd"}  # what the tower's input meets
PARTS = ["attn_q", "attn_k", "attn_v", "attn_out", "ffn_up", "ffn_down"]
EVERYTHING = r"\.weight$"


class Tower:
    """A tower of transformers whose weights come from our files."""

    def __init__(self, prefix: str, model: AltCLIPModel, inputs: dict, files: dict):
        self.prefix, self.model, self.inputs, self.files = prefix, model, inputs, files
        hidden = model.config.text_config if prefix == "t" else model.config.vision_config
        self.n_layer = hidden.num_hidden_layers
        self.sizes = {dtype: {t.name: int(t.n_bytes) for t in reader(str(file)).tensors if t.name.startswith(f"{prefix}.")}
                      for dtype, file in files.items()}
        self.load("f32", "")
        self.original = self.features()

    def load(self, dtype: str, pattern: str) -> None:
        """Of the tower's tensors those that match, as `dtype` holds them."""
        load_gguf(self.model, str(self.files[dtype]), rf"^(?={self.prefix}\.).*(?:{pattern})")

    def features(self) -> torch.Tensor:
        is_text = self.prefix == "t"
        encoder = self.model.text_model if is_text else self.model.vision_model
        projection = self.model.text_projection if is_text else self.model.visual_projection
        wanted = ["input_ids", "attention_mask"] if is_text else ["pixel_values"]
        with torch.inference_mode():
            return projection(encoder(**{name: self.inputs[name] for name in wanted}).pooler_output).double()

    def distance(self) -> float:
        return (1 - torch.nn.functional.cosine_similarity(self.features(), self.original, dim=-1)).mean().item()

    def megabytes(self, dtype: str, pattern: str) -> float:
        return sum(n for name, n in self.sizes[dtype].items() if re.search(pattern, name)) / 1e6

    def blocks(self, numbers, part: str = r"\w+") -> str:
        return rf"\.blk\.(?:{'|'.join(map(str, numbers))})\.(?:{part})\.weight"

    def every(self, part: str) -> str:
        return self.blocks(range(self.n_layer), part)

    def outside(self) -> str:
        return r"\.(?:token_embd|patch_embd|transform|projection)\.weight"

    def parts(self) -> dict:
        n = self.n_layer
        return {
            TABLE[self.prefix]: rf"\.{TABLE[self.prefix]}\.weight",
            "projections": r"\.(?:transform|projection)\.weight",
            **{part: self.every(part) for part in PARTS},
            "first block": self.blocks([0]),
            "last block": self.blocks([n - 1]),
        }

    def mixes(self) -> dict:
        """`some` blocks are those of llama.cpp's use_more_bits: an eighth at either end, every third between."""
        n, end = self.n_layer, self.n_layer // 8
        some = [i for i in range(n) if i < end or i >= n - end or (i - end) % 3 == 2]
        values = self.every("attn_v|attn_out")
        sensitive = rf"{values}|\.(?:patch_embd|transform|projection)\.weight"
        return {
            "nothing": "(?!)",
            TABLE[self.prefix]: rf"\.{TABLE[self.prefix]}\.weight",
            "outside, first and last block": f"{self.outside()}|{self.blocks([0, n - 1])}",
            "some attn_v, ffn_down": self.blocks(some, "attn_v|ffn_down"),
            "attn_v, attn_out": values,
            "attn_v, attn_out, outside but for words": sensitive,
            "the same and ffn_down": f"{sensitive}|{self.every('ffn_down')}",
            "everything": EVERYTHING,
        }


def measure(tower: Tower, coarse: str, fine: str) -> None:
    for name, pattern in tower.parts().items():
        tower.load(coarse, pattern)
        cost, size = tower.distance(), tower.megabytes(fine, pattern) - tower.megabytes(coarse, pattern)
        print(f"{tower.prefix} {name:32} {cost:9.2e}  {size:6.1f} MB more as {fine}  {cost / size:9.2e} a MB", flush=True)
        tower.load("f32", pattern)
    tower.load(coarse, EVERYTHING)
    for name, pattern in tower.mixes().items():
        tower.load(fine, pattern)
        size = tower.megabytes(coarse, "") - tower.megabytes(coarse, pattern) + tower.megabytes(fine, pattern)
        print(f"{tower.prefix} {coarse} with {fine} for {name:40} {size:6.1f} MB  {tower.distance():9.2e}", flush=True)
        tower.load(coarse, pattern)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--coarse", default="q4_k")
    parser.add_argument("--fine", default="q6_k")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--towers", default="tv")
    parser.add_argument("--work", help="folder that keeps the converted files for further runs")
    options = parser.parse_args()
    torch.manual_seed(5)
    config = AltCLIPConfig.from_pretrained(options.folder)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(options.work or scratch)
        files = {dtype: work / f"{dtype}.gguf" for dtype in ("f32", options.coarse, options.fine)}
        for dtype, file in files.items():
            cli = ["node", str(ROOT / "dist/cli/main.mjs"), "convert", options.folder, str(file), "--dtype", dtype]
            if not file.exists():
                subprocess.run(cli, check=True, capture_output=True)
        inputs = inputs_of(config, 2 * options.images, options.images, str(work))
        model = AltCLIPModel(config).float().eval()
        for prefix in options.towers:
            measure(Tower(prefix, model, inputs, files), options.coarse, options.fine)


if __name__ == "__main__":
    main()
