"""Calls of the tokenizer with options drawn at random: our rows against transformers' fast tokenizer.

    python scripts/reference/tokenizer_calls.py --count 3000 --seed 5
    python scripts/reference/tokenizer_calls.py --count 60 --seed 6 --fixture test/fixtures/tokenizer/random_calls.json.gz

Needs sentencepiece, transformers and the built package (npm run build). Texts are sentences of 24 languages for which
transformers gives SentencePiece's ids, named by their line in test/fixtures/inputs/sentences.tsv. Exits with 1 where a
call differs. `--fixture` writes calls and what transformers gave: rows, or null where it raised.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import sentencepiece
from transformers import XLMRobertaTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test" / "fixtures"


def draw(rng: random.Random, lines: list[int]) -> dict:
    """One call: lines of texts and pairs (a number: a single text), and options that Python and we call the same."""
    single = rng.random() < 0.3
    n = 1 if single else rng.randint(1, 3)
    pick = lambda: rng.choice(lines) if single else [rng.choice(lines) for _ in range(n)]  # noqa: E731
    call = {"text": pick(), "text_pair": pick() if rng.random() < 0.6 else None}
    options = {
        "truncation": rng.choice([True, False, "longest_first", "only_first", "only_second"]),
        "max_length": rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 40]),
        "padding": rng.choice([True, False, "max_length"]),
        "return_overflowing_tokens": rng.random() < 0.6,
        "stride": rng.choice([0, 0, 1, 2, 5]),
        "padding_side": rng.choice(["left", "right"]),
        "add_special_tokens": rng.random() < 0.8,
        "return_special_tokens_mask": rng.random() < 0.5,
        "return_token_type_ids": rng.random() < 0.3,
        "return_length": rng.random() < 0.3,
    }
    if options["return_overflowing_tokens"]:
        options["return_token_type_ids"] = False  # there transformers leaves 1 at a pair's cut tokens, which no XLM-R has
    if rng.random() < 0.2:
        options["pad_to_multiple_of"] = rng.choice([2, 4])
    return {**call, "truncation_side": rng.choice(["left", "right"]), "options": options}


def reference(fast: XLMRobertaTokenizerFast, call: dict, sentences: list[str]) -> dict | None:
    of = lambda lines: [sentences[i] for i in lines] if isinstance(lines, list) else sentences[lines]  # noqa: E731
    fast.truncation_side = call["truncation_side"]
    pair = call["text_pair"]
    try:
        return dict(fast(of(call["text"]), None if pair is None else of(pair), **call["options"]))
    except BaseException as error:  # what panics in Rust is no Exception  # noqa: BLE001
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def ours(calls: list[dict], sentences: list[str], tokenizer: Path) -> list[dict | None]:
    program = """
      const { XLMRobertaTokenizer } = require(process.argv[1]);
      const { calls, sentences } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
      const of = (lines) => (Array.isArray(lines) ? lines.map((i) => sentences[i]) : sentences[lines]);
      XLMRobertaTokenizer.from_file(process.argv[2]).then((tokenizer) => {
        const results = calls.map(({ text, text_pair, truncation_side, options }) => {
          const pair = text_pair === null ? undefined : of(text_pair);
          try {
            return tokenizer(of(text), { ...options, truncation_side, text_pair: pair, return_tensor: false });
          } catch (error) {
            if (error.code !== 'INVALID_ARGUMENT') throw error;
            return null;
          }
        });
        process.stdout.write(JSON.stringify(results));
      });
    """
    run = subprocess.run(
        ["node", "-e", program, str(ROOT / "dist" / "index.js"), str(tokenizer)],
        input=json.dumps({"calls": calls, "sentences": sentences}), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(run.stdout)


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--count", type=int, default=3000)
    arguments.add_argument("--seed", type=int, default=5)
    arguments.add_argument("--fixture", type=Path)
    options = arguments.parse_args()
    os.environ.setdefault("RUST_BACKTRACE", "0")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("sentencepiece.bpe.model", "tokenizer.json"):
            with gzip.open(FIXTURES / "tokenizer" / f"{name}.gz") as packed, open(folder / name, "wb") as file:
                shutil.copyfileobj(packed, file)
        shutil.copy(FIXTURES / "tokenizer" / "tokenizer_config.json", folder)
        fast = XLMRobertaTokenizerFast.from_pretrained(folder)
        spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
        rows = (FIXTURES / "inputs" / "sentences.tsv").read_text(encoding="utf-8").strip().split("\n")
        sentences = [row.split("\t")[-1] for row in rows]
        same = lambda text: [i + 1 if i else 3 for i in spm.encode(text)] == fast(text)["input_ids"][1:-1]  # noqa: E731
        lines = [i for i, text in enumerate(sentences) if same(text)]
        rng = random.Random(options.seed)
        calls = [draw(rng, lines) for _ in range(options.count)]
        expected = [reference(fast, call, sentences) for call in calls]
        if options.fixture:
            text = json.dumps([{**call, "output": output} for call, output in zip(calls, expected)])
            with gzip.GzipFile(options.fixture, "wb", mtime=0) as file:
                file.write(text.encode())
            return 0
        got = ours(calls, sentences, folder / "tokenizer.json")
        wrong = [(c, e, g) for c, e, g in zip(calls, expected, got) if e != g]
        refused = sum(e is None for e in expected)
        print(f"{len(calls) - len(wrong)} of {len(calls)} calls identical, {refused} of them refused by both")
        for call, theirs, mine in wrong[:5]:
            print(json.dumps(call), json.dumps(theirs), json.dumps(mine), sep="\n  ")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
