"""What our save_pretrained writes, read by transformers: the same ids, the same pixels.

    python scripts/reference/saved_processor.py

Needs transformers and the built package (npm run build). The small e2e checkpoints of test/fixtures and the full
vocabulary of XLM-R are loaded from tokenizer.json, sentencepiece.bpe.model and a converted GGUF file, saved, and opened
with AutoTokenizer and AltCLIPProcessor. Exits with 1 where anything differs from what the original folder gives.
"""

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import AltCLIPConfig, AltCLIPProcessor, AutoTokenizer, XLMRobertaTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test" / "fixtures"
LITERALS = ["", "a <mask> b", "<s> a</s>", "x<pad><unk>", "  two  spaces "]


def node(program: str, *arguments: Path) -> None:
    source = f"const altclip = require({json.dumps(str(ROOT / 'dist' / 'index.js'))});"
    wrapped = f"{source} (async ([from, to]) => {{ {program} }})(process.argv.slice(1));"
    subprocess.run(["node", "-e", wrapped, *map(str, arguments)], check=True)


def main() -> int:
    failures = 0

    def report(what: str, same: bool) -> None:
        nonlocal failures
        failures += not same
        print(f"{what}: {'identical' if same else 'DIFFERENT'}")

    rows = (FIXTURES / "inputs" / "sentences.tsv").read_text(encoding="utf-8").strip().split("\n")
    with gzip.open(FIXTURES / "tokenizer" / "corpus.jsonl.gz", "rt") as file:
        corpus = [json.loads(line)["text"] for line in file]
    # transformers' own files may take a full-width <mask> for the special token; XLM-R's and ours do not
    corpus = [text for text in corpus if "\uff1cmask" not in text]
    texts = [row.split("\t")[-1] for row in rows] + LITERALS + corpus
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        xlmr = folder / "xlmr"
        xlmr.mkdir()
        for name in ("sentencepiece.bpe.model", "tokenizer.json"):
            with gzip.open(FIXTURES / "tokenizer" / f"{name}.gz") as packed, open(xlmr / name, "wb") as file:
                shutil.copyfileobj(packed, file)
        shutil.copy(FIXTURES / "tokenizer" / "tokenizer_config.json", xlmr)
        original = XLMRobertaTokenizerFast.from_pretrained(xlmr)(texts)["input_ids"]
        save = "await (await altclip.XLMRobertaTokenizer.from_file(from)).save_pretrained(to);"
        for name in ("sentencepiece.bpe.model", "tokenizer.json"):
            saved = folder / f"saved-{name}"
            node(save, xlmr / name, saved)
            again = AutoTokenizer.from_pretrained(saved)
            report(f"XLM-R from {name}", again(texts)["input_ids"] == original and again.model_max_length == 77)

        image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8))
        for name in ("tiny-e2e", "tiny-e2e-spm"):
            source = FIXTURES / "models" / name
            gguf = folder / f"{name}.gguf"
            subprocess.run(["node", ROOT / "dist" / "cli" / "main.mjs", "convert", source, gguf], check=True)
            original_ids = AltCLIPProcessor.from_pretrained(source)(text=texts, images=image)
            for kind, path in (("folder", source), ("GGUF", gguf)):
                saved = folder / f"{name}-{kind}"
                node("await (await altclip.AltCLIPProcessor.from_pretrained(from)).save_pretrained(to);", path, saved)
                node(
                    "const m = await altclip.AltCLIPModel.from_pretrained(from); await m.save_pretrained(to);",
                    path, saved,
                )  # fmt: skip
                again = AltCLIPProcessor.from_pretrained(saved)(text=texts, images=image)
                report(f"{name} from its {kind}, ids", again["input_ids"] == original_ids["input_ids"])
                pixels = [np.asarray(one["pixel_values"]) for one in (again, original_ids)]
                report(f"{name} from its {kind}, pixels", np.array_equal(*pixels))
                config = AltCLIPConfig.from_pretrained(saved)
                expected = AltCLIPConfig.from_pretrained(source)
                same = config.text_config.hidden_size == expected.text_config.hidden_size
                report(f"{name} from its {kind}, config.json", same and config.projection_dim == expected.projection_dim)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
