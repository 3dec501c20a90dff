"""PyTorch + transformers behind the line protocol of ../peers.mjs."""

import io
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AltCLIPModel, CLIPImageProcessor


def memory(field):
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split(field + ":")[1].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def forget_peak():
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def load(settings):
    torch.set_num_threads(settings["threads"])
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[settings["dtype"]]
    model = AltCLIPModel.from_pretrained(settings["file"], dtype=dtype).eval()
    if settings["tower"] == "text":
        model.vision_model = None
    else:
        model.text_model = None
    return model


def prepare(model, workload):
    def image_features(values):
        return model.visual_projection(model.vision_model(pixel_values=values.to(model.dtype)).pooler_output)

    def tensor(key, dtype, shape):
        return torch.from_numpy(np.fromfile(workload[key], dtype=dtype).reshape(shape))

    n = workload["items"]
    if workload["kind"] == "images":
        pixels = tensor("pixels", np.float32, (n, 3, 224, 224))
        return lambda: image_features(pixels)
    if workload["kind"] == "texts":
        ids, mask = (tensor(key, np.int64, (n, workload["columns"])) for key in ("ids", "mask"))
        return lambda: model.text_projection(model.text_model(input_ids=ids, attention_mask=mask).pooler_output)
    processor = CLIPImageProcessor()
    files = [Path(name).read_bytes() for name in workload["files"]]

    def from_bytes():
        pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
        return image_features(processor(images=pictures, return_tensors="pt")["pixel_values"])

    return from_bytes


def answer(**line):
    print(json.dumps(line), flush=True)


def main():
    start = time.perf_counter()
    model = load(json.loads(sys.argv[1]))
    answer(load_ms=(time.perf_counter() - start) * 1e3, rss=memory("VmRSS"))
    ready = None, None
    for line in sys.stdin:
        request = json.loads(line)
        workload = request["workload"]
        if ready[0] != workload["id"]:
            ready = workload["id"], prepare(model, workload)
        forget_peak()
        begin = time.perf_counter()
        with torch.inference_mode():
            values = ready[1]().float().numpy()
        ms = (time.perf_counter() - begin) * 1e3
        answer(ms=ms, rss=memory("VmHWM"), **({"features": values.ravel().tolist()} if request["features"] else {}))


main()
