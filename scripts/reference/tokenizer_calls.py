"""Calls of the tokenizer with options drawn at random: our rows against transformers' fast tokenizer.

    python scripts/reference/tokenizer_calls.py --count 3000 --seed 5
    python scripts/reference/tokenizer_calls.py --count 80 --seed 6 --fixture test/fixtures/tokenizer/random_calls.json.gz

Needs sentencepiece, transformers and the built package (npm run build). Texts are sentences of 24 languages for which
transformers gives SentencePiece's ids, named by their line in test/fixtures/inputs/sentences.tsv; with
is_split_into_words, the words between their spaces. Half as many draws of ids are decoded. Exits with 1 where anything
differs. `--fixture` writes calls and what transformers gave: rows, or null where it raised.
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
        options["pad_to_multiple_of"] = rng.choice([2, 4, 8])
    if rng.random() < 0.3:
        options["return_offsets_mapping"] = True
    if rng.random() < 0.3:
        options["is_split_into_words"] = True
    return {**call, "truncation_side": rng.choice(["left", "right"]), "options": options}


def draw_decode(rng: random.Random, n_tokens: int) -> dict:
    """Ids from the whole vocabulary, special ones and punctuation more often, and decode's options."""
    ids = [rng.choice([rng.randrange(n_tokens), rng.randrange(40), n_tokens - 1]) for _ in range(rng.randrange(12))]
    options = {"skip_special_tokens": rng.random() < 0.5, "clean_up_tokenization_spaces": rng.random() < 0.5}
    return {"ids": ids, "options": options}


def texts_of(call: dict, name: str, sentences: list[str]) -> str | list | None:
    lines = call[name]
    text = lambda i: sentences[i].split(" ") if call["options"].get("is_split_into_words") else sentences[i]  # noqa: E731
    return None if lines is None else [text(i) for i in lines] if isinstance(lines, list) else text(lines)


def reference(fast: XLMRobertaTokenizerFast, call: dict, sentences: list[str]) -> dict | None:
    fast.truncation_side = call["truncation_side"]
    try:
        return dict(fast(texts_of(call, "text", sentences), texts_of(call, "text_pair", sentences), **call["options"]))
    except BaseException as error:  # what panics in Rust is no Exception  # noqa: BLE001
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def ours(calls: list[dict], tokenizer: Path) -> list:
    """Rows of `calls`, texts in place of lines, or where they hold ids, the decoded text."""
    program = """
      const { XLMRobertaTokenizer } = require(process.argv[1]);
      const calls = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
      XLMRobertaTokenizer.from_file(process.argv[2]).then((tokenizer) => {
        const results = calls.map(({ text, text_pair, truncation_side, ids, options }) => {
          if (ids) return tokenizer.decode(ids, options);
          try {
            return tokenizer(text, { ...options, truncation_side, text_pair, return_tensor: false });
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
        input=json.dumps(calls), capture_output=True, text=True, check=True,
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
        named = [{**call, **{name: texts_of(call, name, sentences) for name in ("text", "text_pair")}} for call in calls]
        decodes = [draw_decode(rng, len(fast)) for _ in range(options.count // 2)]
        refused = sum(e is None for e in expected)
        expected += [fast.decode(draw["ids"], **draw["options"]) for draw in decodes]
        got = ours(named + decodes, folder / "tokenizer.json")
        wrong = [(c, e, g) for c, e, g in zip(calls + decodes, json.loads(json.dumps(expected)), got) if e != g]
        print(f"{len(got) - len(wrong)} of {len(got)} identical: {len(calls)} calls, {refused} of them refused by both, "
              f"and {len(decodes)} decoded rows")  # fmt: skip
        for call, theirs, mine in wrong[:5]:
            print(json.dumps(call), json.dumps(theirs), json.dumps(mine), sep="\n  ")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
