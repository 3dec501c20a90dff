"""What the peers run: a full-size AltCLIP with random weights, its towers as ONNX, and those as 8-bit integers.

    python bench/peers/model.py checkpoint FOLDER
    python bench/peers/model.py onnx FOLDER OUTPUT TOWER     exported, then held against PyTorch
    python bench/peers/model.py quantize INPUT OUTPUT        8 bit as transformers.js ships its q8

bench/peers/setup.mjs calls it.
"""

import sys

import torch

SIZES = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}


def checkpoint(folder):
    """ViT-L/14 and XLM-R-large, as AltCLIPModel(config) draws them."""
    from transformers import AltCLIPConfig, AltCLIPModel

    torch.manual_seed(7)
    config = AltCLIPConfig(
        text_config={**SIZES, "vocab_size": 250002, "max_position_embeddings": 514, "project_dim": 768},
        vision_config={**SIZES, "image_size": 224, "patch_size": 14, "projection_dim": 768},
        projection_dim=768,
    )
    AltCLIPModel(config).eval().save_pretrained(folder)


class Features(torch.nn.Module):
    """A tower and its projection: an ONNX graph of one output."""

    def __init__(self, model, name):
        super().__init__()
        self.encoder = getattr(model, f"{name}_model")
        self.projection = model.text_projection if name == "text" else model.visual_projection


class TextFeatures(Features):
    def forward(self, input_ids, attention_mask):
        return self.projection(self.encoder(input_ids=input_ids, attention_mask=attention_mask).pooler_output)


class ImageFeatures(Features):
    def forward(self, pixel_values):
        return self.projection(self.encoder(pixel_values=pixel_values).pooler_output)



def export(folder, output, name):
    from transformers import AltCLIPModel

    model = AltCLIPModel.from_pretrained(folder).eval()
    tower = (TextFeatures if name == "text" else ImageFeatures)(model, name).eval()
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence")
    if name == "text":
        ids = torch.randint(4, 250000, (3, 9))
        mask = torch.ones_like(ids)
        mask[1, 5:] = 0
        inputs, names = (ids, mask), ["input_ids", "attention_mask"]
        shapes = {"input_ids": {0: batch, 1: sequence}, "attention_mask": {0: batch, 1: sequence}}
    else:
        inputs, names = (torch.randn(3, 3, 224, 224),), ["pixel_values"]
        shapes = {"pixel_values": {0: batch}}
    with torch.no_grad():
        torch.onnx.export(
            tower,
            inputs,
            output,
            input_names=names,
            output_names=["features"],
            dynamic_shapes=shapes,
            opset_version=18,
            external_data=True,
            dynamo=True,
        )
        expected = tower(*inputs).numpy()
    compare(output, dict(zip(names, inputs)), expected)


def compare(file, inputs, expected):
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    difference = abs(got - expected).max() / abs(expected).max()
    print(f"{file}: largest difference to PyTorch {difference:.1e} of the largest value")
    if not difference < 1e-4:
        raise SystemExit(f"{file} does not compute what PyTorch computes")


def quantize(source, output):
    """The settings of transformers.js' scripts/quantize.py: unsigned weights where the model convolves, signed ones
    elsewhere, one scale a tensor, all 8 bits."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    operators = {node.op_type for node in onnx.load(source, load_external_data=False).graph.node}
    quantize_dynamic(
        source,
        output,
        per_channel=False,
        reduce_range=False,
        weight_type=QuantType.QUInt8 if "Conv" in operators else QuantType.QInt8,
        use_external_data_format=True,
        extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
    )


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"checkpoint": checkpoint, "onnx": export, "quantize": quantize}[command](*arguments)
