"""The weights of our GGUF files, as an AltCLIPModel of transformers takes them."""
import re
from functools import lru_cache

import gguf
import torch
from transformers import AltCLIPModel

NAMES = [  # GGUF -> module names of transformers 5
    (r"^t\.token_embd", "text_model.roberta.embeddings.word_embeddings"),
    (r"^t\.token_types", "text_model.roberta.embeddings.token_type_embeddings"),
    (r"^t\.position_embd", "text_model.roberta.embeddings.position_embeddings"),
    (r"^t\.embd_norm", "text_model.roberta.embeddings.LayerNorm"),
    (r"^t\.post_ln", "text_model.pre_LN"),
    (r"^t\.transform", "text_model.transformation"),
    (r"^t\.projection", "text_projection"),
    (r"^v\.class_embd", "vision_model.embeddings.class_embedding"),
    (r"^v\.patch_embd", "vision_model.embeddings.patch_embedding"),
    (r"^v\.position_embd", "vision_model.embeddings.position_embedding"),
    (r"^v\.pre_ln", "vision_model.pre_layrnorm"),
    (r"^v\.post_ln", "vision_model.post_layernorm"),
    (r"^v\.projection", "visual_projection"),
    (r"^(t|v)\.blk\.(\d+)\.", r"\1_BLOCK.\2."),
]
PARTS = {
    "t": {"attn_q": "attention.self.query", "attn_k": "attention.self.key", "attn_v": "attention.self.value",
          "attn_out": "attention.output.dense", "ln1": "attention.output.LayerNorm", "ffn_up": "intermediate.dense",
          "ffn_down": "output.dense", "ln2": "output.LayerNorm"},
    "v": {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
          "attn_out": "self_attn.out_proj", "ln1": "layer_norm1", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2",
          "ln2": "layer_norm2"},
}


def module_name(name: str) -> str:
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    block = re.match(r"^(t|v)_BLOCK\.(\d+)\.(\w+)\.(weight|bias)$", name)
    if not block:
        return name
    tower, index, part, kind = block.groups()
    prefix = {"t": "text_model.roberta.encoder.layers", "v": "vision_model.encoder.layers"}[tower]
    return f"{prefix}.{index}.{PARTS[tower][part]}.{kind}"


def matches(name: str, state: dict) -> str:
    """The module name, whatever this transformers calls the list of layers."""
    for candidate in (name, name.replace("encoder.layers.", "encoder.layer.")):
        if candidate in state:
            return candidate
    raise KeyError(name)


@lru_cache
def reader(file: str) -> gguf.GGUFReader:
    """A vocabulary takes seconds to read."""
    return gguf.GGUFReader(file)


def load_gguf(model: AltCLIPModel, file: str, wanted: str = "") -> None:
    """Widens the tensors whose names the pattern `wanted` matches, and puts them into `model`."""
    state = model.state_dict()
    for tensor in reader(file).tensors:
        if not re.search(wanted, tensor.name):
            continue
        values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy()).float()
        target = state[matches(module_name(tensor.name), state)]
        if target.dim() == 4:  # the patch embedding: rows are padded with zeros to a whole block
            values = values.reshape(target.shape[0], -1)[:, : target[0].numel()]
        target.copy_(values.reshape(target.shape))
