"""Picture files of every format, mode and size that Pillow writes, and PNGs that it does not: for pictures.py."""

import io
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFile

ImageFile.MAXBLOCK = 2**24  # noise takes more than Pillow reserves for a JPEG

SIZES = [(1, 1), (2, 3), (17, 5), (64, 48), (223, 224), (300, 200), (201, 333), (640, 427), (1, 10000), (10000, 1)]


def content(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Gradients, edges and noise: uint8 [height, width, 4]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(x * rng.uniform(0.01, 0.6) + y * rng.uniform(0.01, 0.6) + c) * 90 + 128 for c in range(4)]
    out = np.stack(waves, -1) + rng.normal(0, rng.choice([0, 6, 40]), (height, width, 4))
    out[(x.astype(int) // 9 + y.astype(int) // 7) % 5 == 0] = rng.integers(0, 256, 4)
    return np.clip(out, 0, 255).astype(np.uint8)


def saved(image: Image.Image, fmt: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def packed(samples: np.ndarray, depth: int) -> bytes:
    """Rows of samples [height, width * channels], `depth` bits each, every row with PNG filter 0 in front."""
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in samples]
    elif depth == 8:
        rows = [row.astype(np.uint8).tobytes() for row in samples]
    else:
        bits = (samples[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        rows = [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in bits]
    return b"".join(b"\0" + row for row in rows)


def png(samples: np.ndarray, depth: int, colour: int, interlaced: bool, chunks: list[tuple[bytes, bytes]] = ()) -> bytes:
    """A PNG of samples [height, width, channels]."""
    height, width, _ = samples.shape
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    data = b""
    for x, y, dx, dy in passes:
        part = samples[y::dy, x::dx]
        if part.size:
            data += packed(part.reshape(part.shape[0], -1), depth)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    middle = b"".join(chunk(*one) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + middle + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def own_pngs(rgba: np.ndarray) -> Iterator[tuple[str, bytes]]:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    names = {0: "gray", 2: "RGB", 3: "palette", 4: "gray alpha", 6: "RGBA"}
    palette = bytes(np.arange(768, dtype=np.int64) * 37 % 256)
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            samples = rgba[..., : channels[colour]].astype(np.int64)
            samples = samples * 256 + samples[..., ::-1] % 251 if depth == 16 else samples >> (8 - depth)
            chunks = [(b"PLTE", palette[: 3 * 2**depth])] if colour == 3 else []
            for interlaced in (False, True):
                label = f"{names[colour]} {depth} bit{' interlaced' if interlaced else ''}"
                yield label, png(samples, depth, colour, interlaced, chunks)
            if colour == 3:
                alphas = {"one transparent": b"\xff\0", "alphas": bytes([0, 90, 255, 128][: 2**depth])}
                for name, alpha in alphas.items():
                    yield f"{label}, {name}", png(samples, depth, colour, True, [*chunks, (b"tRNS", alpha)])
            elif colour in (0, 2):
                key = b"".join(struct.pack(">H", int(v)) for v in samples[0, 0])
                yield f"{label}, colour key", png(samples, depth, colour, False, [(b"tRNS", key)])


def pillow_files(rgba: np.ndarray) -> Iterator[tuple[str, str, bytes]]:
    rgb, with_alpha = Image.fromarray(rgba[..., :3].copy()), Image.fromarray(rgba)
    gray, gray_alpha = rgb.convert("L"), with_alpha.convert("LA")
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            kind = "progressive" if progressive else "baseline"
            options = {"subsampling": subsampling, "progressive": progressive, "quality": 82}
            yield "JPEG", f"{kind} {subsampling}", saved(rgb, "JPEG", **options)
    yield "JPEG", "quality 12", saved(rgb, "JPEG", quality=12)
    yield "JPEG", "restart markers", saved(rgb, "JPEG", restart_marker_blocks=3)
    yield "JPEG", "Adobe RGB components", saved(rgb, "JPEG", keep_rgb=True)
    for progressive in (False, True):
        yield "JPEG", f"gray, progressive {progressive}", saved(gray, "JPEG", progressive=progressive)
        yield "JPEG", f"Adobe CMYK, progressive {progressive}", saved(rgb.convert("CMYK"), "JPEG", progressive=progressive)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield "JPEG", f"orientation {orientation}", saved(rgb, "JPEG", exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "PNG", "orientation 6", saved(rgb, "PNG", exif=exif)
    yield "PNG", "1", saved(gray.convert("1"), "PNG")
    for colours, bits in ((2, 1), (4, 2), (16, 4), (200, 8)):
        yield "PNG", f"P {bits} bit", saved(rgb.quantize(colours), "PNG", bits=bits)
    largest = max(rgb.size)
    if largest <= 16383:
        yield "WebP", "lossy", saved(rgb, "WEBP", quality=70)
        yield "WebP", "lossy alpha", saved(with_alpha, "WEBP", quality=70)
        yield "WebP", "lossless", saved(rgb, "WEBP", lossless=True)
        yield "WebP", "lossless alpha", saved(with_alpha, "WEBP", lossless=True, exact=True)
        frames = {"save_all": True, "append_images": [rgb.rotate(180)], "lossless": True}
        yield "WebP", "animated", saved(rgb, "WEBP", **frames)
        yield "WebP", "animated alpha", saved(with_alpha, "WEBP", **frames)
        yield "WebP", "orientation 6", saved(rgb, "WEBP", lossless=True, exif=exif)
    yield "GIF", "P", saved(rgb.quantize(64), "GIF")
    yield "GIF", "P not interlaced", saved(rgb.quantize(256), "GIF", interlace=0)
    yield "GIF", "P transparency", saved(rgb.quantize(16), "GIF", transparency=3)
    yield "GIF", "L", saved(gray, "GIF")
    yield "GIF", "animated", saved(rgb.quantize(64), "GIF", save_all=True, append_images=[rgb.rotate(180).quantize(64)])
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield "TIFF", f"RGB {compression}", saved(rgb, "TIFF", compression=compression)
    yield "TIFF", "L", saved(gray, "TIFF")
    yield "TIFF", "1", saved(gray.convert("1"), "TIFF")
    yield "TIFF", "P", saved(rgb.quantize(64), "TIFF")
    yield "TIFF", "RGBA", saved(with_alpha, "TIFF")
    yield "TIFF", "LA", saved(gray_alpha, "TIFF")
    yield "TIFF", "CMYK", saved(rgb.convert("CMYK"), "TIFF")
    yield "TIFF", "I;16", saved(Image.fromarray(rgba[..., 0].astype(np.uint16) * 257), "TIFF")
    yield "BMP", "RGB", saved(rgb, "BMP")
    if largest <= 4096 and min(rgb.size) > 1:
        yield "AVIF", "RGB", saved(rgb, "AVIF", quality=80)


def pictures(seed: int) -> Iterator[tuple[str, str, tuple[int, int], bytes]]:
    """(format, mode, (width, height) as stored, the file): every kind in two sizes drawn by `seed`."""
    pick, rng = random.Random(seed), np.random.default_rng(seed)
    made: dict[tuple[str, str], dict[tuple[int, int], bytes]] = {}
    for size in SIZES:
        rgba = content(*size, rng)
        for fmt, mode, data in [*pillow_files(rgba), *(("PNG", label, data) for label, data in own_pngs(rgba))]:
            made.setdefault((fmt, mode), {})[size] = data
    for (fmt, mode), files in sorted(made.items()):
        for size in pick.sample(sorted(files), 2):
            yield fmt, mode, size, files[size]
