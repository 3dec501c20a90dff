"""How far decoded pixels are from Pillow's: formats that sharp decodes otherwise, and ICC profiles honoured.

    npm run build && python scripts/reference/image_formats.py

Prints, for each picture, the largest and the mean difference in levels of 255. Pillow (with AVIF) and NumPy are needed;
profiles are those that sharp brings (Display P3, a CMYK press).
"""
import io
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "test" / "fixtures" / "inputs" / "photos" / "china.jpg"
NODE = """
const { createRequire } = require('node:module');
const load = createRequire(process.argv[1] + '/package.json');
const sharp = load('sharp');
const { RawImage } = load('./dist/index.js');
const { writeFileSync } = require('node:fs');
const [work, folder, photo, names] = process.argv.slice(2);
(async () => {
  if (work === 'write') {
    const p3 = () => sharp(photo).withIccProfile('p3');
    await p3().jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toFile(`${folder}/p3.jpg`);
    await p3().png().toFile(`${folder}/p3.png`);
    const deep = sharp(`${folder}/p3.png`, { ignoreIcc: true }).toColourspace('rgb16').keepIccProfile();
    await deep.png().toFile(`${folder}/p3_16.png`);
    await p3().webp({ lossless: true }).toFile(`${folder}/p3.webp`);
    await sharp(photo).toColourspace('cmyk').withIccProfile('cmyk').jpeg({ quality: 95 }).toFile(`${folder}/press.jpg`);
    return;
  }
  const out = {};
  for (const [name, use_icc_profile] of JSON.parse(names)) {
    try {
      const image = (await RawImage.read(`${folder}/${name}`, { use_icc_profile })).rgb();
      writeFileSync(`${folder}/${name}.rgb`, image.data);
      out[name] = image.size;
    } catch (error) {
      out[name] = error.message;
    }
  }
  console.log(JSON.stringify(out));
})();
"""


def node(work: str, folder: Path, names: list | None = None) -> str:
    call = ["node", "-e", NODE, str(ROOT), work, str(folder), str(PHOTO), json.dumps(names)]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout


def to_srgb(image: Image.Image) -> Image.Image:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    node("write", folder)
    photo = Image.open(PHOTO).convert("RGB")
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8))
    for kind, picture in {"photo": photo, "noise": noise}.items():
        for sampling in ("4:4:4", "4:2:0"):
            target = folder / f"{kind}_{sampling.replace(':', '')}.avif"
            picture.save(target, quality=90, subsampling=sampling)
        picture.save(folder / f"{kind}.webp", quality=90)
        picture.save(folder / f"{kind}.jpg", quality=90, subsampling=2)
        picture.save(folder / f"{kind}.bmp")
        picture.save(folder / f"{kind}.ppm")
        picture.save(folder / f"{kind}.jp2")
        picture.save(folder / f"{kind}_zstd.tif", compression="zstd")
        for mode in ("LAB", "YCbCr"):
            picture.convert(mode).save(folder / f"{kind}_{mode}.tif")
    profiled = {"p3.jpg", "p3.png", "p3_16.png", "p3.webp", "press.jpg"}
    files = sorted(file.name for file in folder.iterdir())
    ours = json.loads(node("read", folder, [[file, file in profiled] for file in files]))
    for file in files:
        if isinstance(ours[file], str):
            print(f"{file:16} {ours[file].removeprefix(str(folder) + '/' + file).splitlines()[0]}")
            continue
        with Image.open(folder / file) as opened:
            expected = to_srgb(opened) if file in profiled else opened.convert("RGB")
        width, height = ours[file]
        actual = np.fromfile(folder / f"{file}.rgb", np.uint8).reshape(height, width, 3)
        difference = np.abs(actual.astype(int) - np.asarray(expected))
        label = "to sRGB" if file in profiled else ""
        print(f"{file:16} max {difference.max():3}  mean {difference.mean():.3f}  equal {(difference == 0).mean():.1%} {label}")
