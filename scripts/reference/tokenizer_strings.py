"""Strings from all of Unicode and sentences of 24 languages: our ids against SentencePiece and transformers.

    python scripts/reference/tokenizer_strings.py --count 20000 --seed 11
    python scripts/reference/tokenizer_strings.py --count 800 --seed 12 --fixture test/fixtures/tokenizer/strings.jsonl.gz

Needs sentencepiece, transformers and the built package (npm run build). The rule, as in test/fixtures/README.md: literal
special tokens become their ids, <mask> with the white space before it; SentencePiece cuts the parts between them.
transformers' fast tokenizer is held against the same ids; where it differs, the difference must be its normaliser's
(its own unigram model gives our ids for the text as SentencePiece normalises it and parts words) or a tie (a cut of
equal score).
Exits with 1 where anything is left. `--fixture` writes texts and the rule's ids, which come from Python alone.
"""

import argparse
import gzip
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import sentencepiece
from tokenizers import pre_tokenizers
from transformers import XLMRobertaTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test" / "fixtures"
BOS, EOS, UNK, MASK = 0, 2, 3, 250001
SPECIAL = {"<s>": BOS, "<pad>": 1, "</s>": EOS, "<unk>": UNK, "<mask>": MASK}
LITERAL = re.compile(r"<s>|<pad>|</s>|<unk>|[^\S\x1c-\x1f]*<mask>")  # Unicode's White_Space

# blocks whose normalisation, white space or direction is particular are drawn as often as whole planes
RANGES = [
    (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x530, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF),
    (0xE00, 0xFFF), (0x1000, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF),
    (0x2C00, 0x2FFF), (0x3000, 0x30FF), (0x3130, 0x33FF), (0x3400, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3),
    (0xE000, 0xF8FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFEF), (0xFFF0, 0xFFFF), (0x10000, 0x1CFFF),
    (0x1D000, 0x1D7FF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F), (0x30000, 0x10FFFF), (0x1, 0x1F),
    (0x7F, 0x9F), (0xD800, 0xDFFF),
]  # fmt: skip


def strings(count: int, seed: int, longest: int, sentences: list[str], pieces: list[str]) -> list[str]:
    rng = random.Random(seed)

    def character() -> str:
        return chr(rng.randint(*rng.choice(RANGES)))

    def everything() -> str:
        return "".join(character() if rng.random() < 0.85 else " " for _ in range(rng.randint(0, longest)))

    def one_block() -> str:
        low, high = rng.choice(RANGES)
        low = rng.randint(low, high)
        return "".join(chr(rng.randint(low, min(high, low + 20))) for _ in range(rng.randint(1, longest)))

    def vocabulary() -> str:
        return "".join(rng.choice(pieces) for _ in range(rng.randint(1, longest // 4)))

    def spliced() -> str:
        a, b = rng.choice(sentences), rng.choice(sentences)
        return (a[: rng.randint(0, len(a))] + b[rng.randint(0, len(b)) :])[: 2 * longest]

    def mutated() -> str:
        text = list(rng.choice(sentences)[: 2 * longest])
        for _ in range(rng.randint(1, 4)):
            text.insert(rng.randint(0, len(text)), rng.choice([character(), " ", "  ", *SPECIAL]))
        return "".join(text)

    kinds = [everything, one_block, vocabulary, spliced, mutated]
    # surrogates stay alone: two that make a pair would be one character in JavaScript
    return [re.sub("[\ud800-\udbff]+(?=[\udc00-\udfff])", "", rng.choice(kinds)()) for _ in range(count)]


def well_formed(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


class Reference:
    def __init__(self, folder: Path) -> None:
        self.spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
        self.fast = XLMRobertaTokenizerFast.from_pretrained(folder)
        self.unnormalised = XLMRobertaTokenizerFast.from_pretrained(folder)
        self.unnormalised.backend_tokenizer.normalizer = None
        # alone: before it stands a split at white space, which takes U+0085 for such
        self.unnormalised.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()

    def spm_ids(self, text: str) -> list[int]:
        return [piece + 1 if piece else UNK for piece in self.spm.encode(text)]

    def expected(self, text: str) -> list[int]:
        ids, end = [BOS], 0
        for literal in LITERAL.finditer(text):
            ids += self.spm_ids(text[end : literal.start()]) + [SPECIAL[literal.group().lstrip()]]
            end = literal.end()
        return [*ids, *self.spm_ids(text[end:]), EOS]

    def score(self, ids: list[int]) -> float:
        return sum(self.spm.get_score(i - 1) for i in ids if i > UNK and i != MASK)

    def fast_difference(self, text: str, ids: list[int]) -> str:
        """The class of what transformers' fast tokenizer does otherwise; '' for nothing."""
        fast = self.fast(text)["input_ids"]
        if fast == ids:
            return ""
        parts = [self.spm.normalize(part) for part in LITERAL.split(text)]
        literals = [found.group().lstrip() for found in LITERAL.finditer(text)] + [""]
        normalised = "".join(part + literal for part, literal in zip(parts, literals)).replace("\u2581", " ")
        again = self.unnormalised(normalised)["input_ids"]
        if again == ids:
            return "normaliser"
        tie = ids.count(UNK) == again.count(UNK) and abs(self.score(ids) - self.score(again)) < 1e-3
        return "tie" if tie else "unexplained"


def ours(texts: list[str], tokenizer: Path) -> list[list[int]]:
    program = """
      const { XLMRobertaTokenizer } = require(process.argv[1]);
      const texts = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
      XLMRobertaTokenizer.from_file(process.argv[2]).then((tokenizer) =>
        process.stdout.write(JSON.stringify(tokenizer(texts, { return_tensor: false }).input_ids)));
    """
    run = subprocess.run(
        ["node", "-e", program, str(ROOT / "dist" / "index.js"), str(tokenizer)],
        input=json.dumps(texts), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(run.stdout)


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--count", type=int, default=20000)
    arguments.add_argument("--seed", type=int, default=11)
    arguments.add_argument("--fixture", type=Path)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("sentencepiece.bpe.model", "tokenizer.json"):
            with gzip.open(FIXTURES / "tokenizer" / f"{name}.gz") as packed, open(folder / name, "wb") as file:
                shutil.copyfileobj(packed, file)
        shutil.copy(FIXTURES / "tokenizer" / "tokenizer_config.json", folder)
        reference = Reference(folder)
        rows = (FIXTURES / "inputs" / "sentences.tsv").read_text(encoding="utf-8").strip().split("\n")
        sentences = [row.split("\t")[-1] for row in rows]
        pieces = [reference.spm.id_to_piece(i).replace("\u2581", " ") for i in range(3, reference.spm.get_piece_size())]
        texts = strings(options.count, options.seed, 24 if options.fixture else 80, sentences, pieces)
        expected = [reference.expected(well_formed(text)) for text in texts]
        if options.fixture:
            lines = [json.dumps({"text": text, "ids": ids}) for text, ids in zip(texts, expected)]
            with gzip.GzipFile(options.fixture, "wb", mtime=0) as file:
                file.write(("\n".join(lines) + "\n").encode())
            return 0
        failures = 0
        for name in ("tokenizer.json", "sentencepiece.bpe.model"):
            wrong = [text for text, ids, got in zip(texts, expected, ours(texts, folder / name)) if ids != got]
            failures += len(wrong)
            print(f"{name}: {len(texts) - len(wrong)} of {len(texts)} identical to the rule", *map(ascii, wrong[:5]))
        classes = Counter(reference.fast_difference(well_formed(text), ids) for text, ids in zip(texts, expected))
        print(f"fast tokenizer: {classes.pop('', 0)} identical, differences by class: {dict(classes)}")
        return 1 if failures or classes["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
