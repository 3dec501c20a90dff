"""How much our arithmetic adds to the rounding of the weights.

    npm run build && python scripts/reference/quantized.py FOLDER DTYPE ... [--texts 64] [--images 64] [--work WORK]

For each dtype: converts FOLDER (Hugging Face's layout), reads the file with the gguf package, widens its weights to
f32, runs transformers on them and compares our embeddings of the same inputs (random texts of 4 to 32 tokens, as
captions are, random pixels) with transformers', on the file's weights and on the original ones. ALTCLIP_ISA chooses
our kernels. With --work the inputs, the files and transformers' embeddings stay there for further runs with the same
options; ours are made anew. Needs torch, transformers, gguf.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from gguf_weights import load_gguf
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
    text.push(...(await model.get_text_features({ input_ids: [ids[i]], attention_mask: [mask[i]] })).tolist());
  }
  for (let at = 0; at < bytes.length; at += size * 4) {
    const pixels = new Float32Array(bytes.buffer, bytes.byteOffset + at, size);
    const pixel_values = new Tensor('float32', pixels, [1, 3, Number(side), Number(side)]);
    image.push(...(await model.get_image_features({ pixel_values })).tolist());
  }
  console.log(JSON.stringify({ text, image }));
})();
"""


def inputs_of(config: AltCLIPConfig, n: int, n_images: int, folder: str) -> dict:
    text, vision = config.text_config, config.vision_config
    longest = min(32, text.max_position_embeddings - 2)
    ids = torch.randint(4, text.vocab_size, (n, longest))
    lengths = torch.randint(4, longest + 1, (n, 1))
    mask = (torch.arange(longest) < lengths).long()
    ids[:, 0] = text.bos_token_id
    ids = torch.where(torch.arange(longest) == lengths - 1, text.eos_token_id, ids)
    ids = torch.where(mask == 1, ids, text.pad_token_id)
    pixels = torch.randn(n_images, vision.num_channels, vision.image_size, vision.image_size)
    Path(folder, "texts.json").write_text(json.dumps({"ids": ids.tolist(), "mask": mask.tolist()}))
    pixels.numpy().tofile(f"{folder}/pixels.f32")
    return {"input_ids": ids, "attention_mask": mask, "pixel_values": pixels}


def embeddings(model: AltCLIPModel, inputs: dict) -> dict:
    with torch.inference_mode():
        ids, mask, pixels = (inputs[name].split(8) for name in ("input_ids", "attention_mask", "pixel_values"))
        text = [model.text_projection(model.text_model(input_ids=i, attention_mask=m).pooler_output)
                for i, m in zip(ids, mask) if len(i)]
        image = [model.visual_projection(model.vision_model(pixel_values=p).pooler_output) for p in pixels if len(p)]
    return {tower: torch.cat(rows) for tower, rows in (("text", text), ("image", image)) if rows}


def distances(a: torch.Tensor, b: torch.Tensor) -> str:
    """1 - cosine: mean and worst of the rows."""
    distance = 1 - torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=-1)
    return f"mean {distance.mean():.1e} worst {distance.max():.1e}"


class Reference:
    """transformers on a checkpoint; what it once computed is read from `work`."""

    def __init__(self, folder: str, work: Path, n: int, n_images: int):
        self.folder, self.work = folder, work
        self.config = AltCLIPConfig.from_pretrained(folder)
        self.inputs = self.kept("inputs", lambda: inputs_of(self.config, n, n_images, str(work)))
        if [len(self.inputs[name]) for name in ("input_ids", "pixel_values")] != [n, n_images]:
            sys.exit(f"{work} holds a run with other --texts or --images")

    def kept(self, name: str, make) -> dict:
        file = self.work / f"{name}.pt"
        if not file.exists():
            torch.save(make(), file)
        return torch.load(file)

    def original(self) -> dict:
        """Embeddings with the checkpoint's own weights."""
        return self.kept("original", lambda: embeddings(
            AltCLIPModel.from_pretrained(self.folder, dtype=torch.float32).eval(), self.inputs))

    def rounded(self, file: Path) -> dict:
        """Embeddings with the weights of our file."""
        if file.stem == "f32":
            return self.original()

        def compute() -> dict:
            model = AltCLIPModel(self.config).float().eval()  # whatever the checkpoint was stored in
            load_gguf(model, str(file))
            return embeddings(model, self.inputs)
        return self.kept(file.stem, compute)


def convert(folder: str, file: Path, only: list) -> None:
    cli = ["node", str(ROOT / "dist/cli/main.mjs"), "convert", folder, str(file), "--dtype", file.stem, *only]
    subprocess.run(cli, check=True, capture_output=True)


def ours(file: Path, side: int) -> dict:
    run = ["node", "-e", OURS, str(ROOT), str(file), str(file.parent), str(side)]
    answer = subprocess.run(run, capture_output=True, text=True, check=True)
    return {tower: torch.tensor(rows) for tower, rows in json.loads(answer.stdout).items() if rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("dtypes", nargs="+")
    parser.add_argument("--texts", type=int, default=64, help="0 leaves the tower out")
    parser.add_argument("--images", type=int, default=64, help="0 leaves the tower out")
    parser.add_argument("--work", help="folder that keeps what transformers has computed for further runs")
    options = parser.parse_args()
    torch.manual_seed(5)
    only = [] if options.texts and options.images else ["--tower", "text" if options.texts else "vision"]
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(options.work or scratch)
        work.mkdir(exist_ok=True)
        reference = Reference(options.folder, work, options.texts, options.images)
        original = reference.original()
        for dtype in options.dtypes:
            file = work / f"{dtype}.gguf"
            if not file.exists():
                convert(options.folder, file, only)
            rounded, got = reference.rounded(file), ours(file, reference.config.vision_config.image_size)
            for tower in got:
                print(f"{dtype:7} {file.stat().st_size / 1e6:7.1f} MB {tower:5}"
                      f"  arithmetic: {distances(got[tower], rounded[tower])}"
                      f"   with the rounding of weights: {distances(got[tower], original[tower])}", flush=True)
            if not options.work:
                file.unlink()


if __name__ == "__main__":
    main()
