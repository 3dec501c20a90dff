"""PNGs with a transparent colour and what transformers makes of them by path, for test/image_transparency.test.ts.

    python scripts/reference/png_keys.py > test/fixtures/images/png_keys.json

Needs transformers, pillow and numpy. One case a line: [label, PNG in base64, RGB bytes].
"""

import base64
import json
import struct
import tempfile

import numpy as np
from pictures_files import png
from transformers.models.clip import CLIPImageProcessorPil

OFF = {"do_resize": False, "do_center_crop": False, "do_rescale": False, "do_normalize": False}


def case(label: str, data: bytes) -> str:
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(data)
        file.flush()
        pixels = CLIPImageProcessorPil(**OFF)(file.name, return_tensors="np").pixel_values[0]
    values = pixels.transpose(1, 2, 0).reshape(-1).astype(int).tolist()
    return json.dumps([label, base64.b64encode(data).decode(), values], separators=(",", ":"))


def main() -> None:
    lines = []
    for depth in (1, 2, 4, 8, 16):
        levels = [0, 1, 100, 255, 256, 300, 65280, 65535] if depth == 16 else np.linspace(0, 2**depth - 1, 8).astype(int)
        samples = np.array(levels).reshape(1, 8, 1)
        for key in (0, 1, 85, 146, 256, 300):
            data = png(samples, depth, 0, False, [(b"tRNS", struct.pack(">H", key))])
            lines.append(case(f"gray of {depth} bits, {key}", data))
    for depth in (8, 16):
        samples = np.array([[[0, 0, 0], [1, 2, 3], [255, 255, 255]]]) * (257 if depth == 16 else 1)
        for key in ((0, 0, 0), (1, 2, 3), (257, 514, 771), (256, 256, 256)):
            data = png(samples, depth, 2, False, [(b"tRNS", struct.pack(">HHH", *key))])
            lines.append(case(f"RGB of {depth} bits, {key}", data))
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
