"""Synthetic pictures of every format, mode and size under every option: ours against transformers and Pillow.

    python scripts/reference/pictures.py --seed 5
    python scripts/reference/pictures.py --fixture test/fixtures/images/option_cases.json

Needs transformers, pillow, numpy and the built package (npm run build). Files are opened by path on both sides; the uint8
crops must be the same bytes and the pixel values within 1 ulp; what transformers refuses must be refused. What is known
to differ (see decodeAsFile) is listed with its difference and does not fail. Exits with 1 where anything else differs.
`--fixture` writes hashes of what transformers makes of plain noise, which a test makes again: Python alone is used.
"""

import argparse
import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from pictures_files import pictures
from transformers.models.clip import CLIPImageProcessorPil

ROOT = Path(__file__).resolve().parents[2]
RAW = {"do_rescale": False, "do_normalize": False}
# AVIF's chroma is interpolated differently; sharp reads no BMP
EXPECTED_TO_DIFFER = re.compile(r"AVIF|BMP")

OPTIONS = [
    {},
    *({"resample": resample} for resample in range(6)),
    {"size": {"shortest_edge": 32}, "crop_size": {"height": 40, "width": 33}},
    {"size": {"shortest_edge": 65}, "crop_size": {"height": 31, "width": 64}, "resample": 2},
    {"size": {"shortest_edge": 48}, "do_center_crop": False},
    {"size": {"height": 40, "width": 90}, "crop_size": {"height": 64, "width": 64}, "resample": 1},
    {"size": {"height": 71, "width": 13}, "do_center_crop": False, "resample": 4},
    {"size": {"shortest_edge": 60, "longest_edge": 80}, "do_center_crop": False, "resample": 5},
    {"do_resize": False},
    {"do_resize": False, "crop_size": {"height": 7, "width": 300}},
    {"do_resize": False, "do_center_crop": False},
    {"size": {"shortest_edge": 50}, "crop_size": {"height": 50, "width": 50}, "do_normalize": False},
    {"size": {"shortest_edge": 50}, "crop_size": {"height": 50, "width": 50}, "do_rescale": False},
    {"size": {"shortest_edge": 50}, "crop_size": {"height": 51, "width": 51}, "rescale_factor": 1 / 127.5},
    {"size": {"shortest_edge": 50}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.25, 2.0]},
]
FIXTURE_SIZES = [
    (1, 1), (2, 3), (17, 5), (64, 48), (48, 200), (223, 224), (224, 224), (225, 223), (300, 200), (33, 257), (640, 427),
    (100, 900), (1, 700), (700, 1), (257, 31), (16, 16), (400, 399),
]  # fmt: skip


def too_long(width: int, height: int, options: dict) -> bool:
    """Strips whose whole resized picture, which Pillow makes, would take hundreds of megabytes."""
    ratio = max(width, height) / min(width, height)
    size = options.get("size", {"shortest_edge": 224})
    return options.get("do_resize", True) and size.get("shortest_edge", 0) ** 2 * ratio > 2e7 and "longest_edge" not in size


def noise(width: int, height: int, seed: int) -> Image.Image:
    """RGB: the high bytes of a linear congruential generator, as in make_resize_cases.py."""
    out = bytearray(width * height * 3)
    for i in range(len(out)):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = seed >> 24
    return Image.frombytes("RGB", (width, height), bytes(out))


def write_fixture(file: Path) -> None:
    """[width, height, seed, option, hash of the uint8 result, hash of pixel_values as float32]"""
    cases = []
    for seed, (width, height) in enumerate(FIXTURE_SIZES, 1):
        image = noise(width, height, seed)
        for index, options in enumerate(OPTIONS):
            if too_long(width, height, options):
                continue
            processor = CLIPImageProcessorPil()
            if min(width, height) * options.get("size", {}).get("longest_edge", 1000) < max(width, height):
                continue  # an edge would become 0: an error on both sides
            plain = processor(image, **{**options, **RAW}, return_tensors="np").pixel_values
            values = processor(image, **options, return_tensors="np").pixel_values
            hashes = [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()[:10] for a in (plain, values)]
            cases.append([width, height, seed, index, *hashes])
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    file.write_text(f'{{"options":{json.dumps(OPTIONS)},\n"cases":[\n{lines}\n]}}\n')
    print(f"{len(cases)} cases, {file.stat().st_size} bytes")


OURS = """
const { readFileSync, writeFileSync } = require('node:fs');
const { CLIPImageProcessor } = require(process.argv[2]);
(async () => {
  const processor = new CLIPImageProcessor();
  const jobs = JSON.parse(readFileSync(process.argv[3], 'utf8'));
  const report = [];
  for (const { file, options, raw } of jobs) {
    try {
      const plain = (await processor(file, { ...options, ...raw })).pixel_values;
      const values = (await processor(file, options)).pixel_values;
      writeFileSync(file + '.u8', plain.data);
      writeFileSync(file + '.f32', Float32Array.from(values.data));
      report.push({ dims: plain.dims });
    } catch (error) {
      report.push({ error: error.message });
    }
  }
  console.log(JSON.stringify(report));
})();
"""


def ulps(a: np.ndarray, b: np.ndarray) -> int:
    ordered = [np.where(i < 0, -(2**31) - i.astype(np.int64), i) for i in (a.view(np.int32), b.view(np.int32))]
    return int(np.abs(ordered[0] - ordered[1]).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--node", default="node")
    parser.add_argument("--fixture", type=Path)
    args = parser.parse_args()
    if args.fixture:
        write_fixture(args.fixture)
        return 0
    warnings.simplefilter("ignore")
    rng = random.Random(args.seed)
    processor = CLIPImageProcessorPil()
    with tempfile.TemporaryDirectory() as folder:
        jobs = []
        for number, (fmt, mode, size, data) in enumerate(pictures(args.seed)):
            for options in [OPTIONS[0], *rng.sample(OPTIONS[1:], 2)]:
                if too_long(*size, options):
                    options = {"size": {"shortest_edge": 3}, "crop_size": {"height": 9, "width": 500}}
                file = Path(folder) / f"{number}-{len(jobs)}"
                file.write_bytes(data)
                jobs.append({"file": str(file), "options": options, "raw": RAW, "format": fmt, "mode": mode, "size": size})
        script, list_file = Path(folder) / "ours.js", Path(folder) / "jobs.json"
        script.write_text(OURS)
        list_file.write_text(json.dumps(jobs))
        run = [args.node, str(script), str(ROOT / "dist" / "index.js"), str(list_file)]
        report = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
        table, failures = defaultdict(lambda: [0, 0, 0]), []
        for job, ours in zip(jobs, report, strict=True):
            row = table[job["format"]]
            row[0] += 1
            label = f"{job['format']} {job['mode']} {job['size'][0]}x{job['size'][1]} {json.dumps(job['options'])}"
            try:
                plain = processor(job["file"], **{**job["options"], **RAW}, return_tensors="np").pixel_values
                values = processor(job["file"], **job["options"], return_tensors="np").pixel_values.astype(np.float32)
            except Exception as error:
                if "error" in ours:
                    row[1] += 1
                else:
                    failures.append(f"{label}: transformers refuses: {error}")
                continue
            if "error" in ours:
                failures.append(f"{label}: ours fails: {ours['error']}")
                continue
            if list(plain.shape) != ours["dims"]:
                failures.append(f"{label}: {ours['dims']}, expected {list(plain.shape)}")
                continue
            mine = np.fromfile(job["file"] + ".u8", np.uint8).reshape(plain.shape)
            level = int(np.abs(mine.astype(int) - plain).max())
            distance = ulps(np.fromfile(job["file"] + ".f32", np.float32), np.ascontiguousarray(values).reshape(-1))
            if level == 0 and distance <= 1:
                row[1] += 1
                row[2] = max(row[2], distance)
            else:
                different = float((mine != plain).mean())
                failures.append(f"{label}: {level} levels, {different:.2%} of values, {distance} ulp")
    print(f"{'format':8} combinations identical  worst ulp")
    for fmt, (n, same, worst) in sorted(table.items()):
        print(f"{fmt:8} {n:12} {same:9} {worst:10}")
    print(f"{'all':8} {sum(r[0] for r in table.values()):12} {sum(r[1] for r in table.values()):9}")
    for text in failures:
        print(text)
    return int(not all(EXPECTED_TO_DIFFER.match(text) for text in failures))


if __name__ == "__main__":
    sys.exit(main())
