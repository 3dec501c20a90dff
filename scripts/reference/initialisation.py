"""What transformers makes of a new AltCLIPModel(config): mean, standard deviation and zeros of every tensor.

    python scripts/reference/initialisation.py > test/fixtures/initialisation.json

in a Python with transformers and torch. Many models are made, so that the figures are precise; no two sizes or scales
of the config are alike, so that none can stand in for another.
"""

import json

import torch
from transformers import AltCLIPConfig, AltCLIPModel
from transformers import __version__ as version

CONFIG = {
    "model_type": "altclip",
    "projection_dim": 36,
    "logit_scale_init_value": 2.5,
    "initializer_factor": 1.3,
    "text_config": {
        "vocab_size": 301,
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "max_position_embeddings": 41,
        "type_vocab_size": 2,
        "project_dim": 40,
        "initializer_range": 0.03,
        "pad_token_id": 1,
    },
    "vision_config": {
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 160,
        "image_size": 32,
        "patch_size": 8,
        "initializer_range": 0.015,
        "initializer_factor": 0.7,
    },
}
MODELS = 200

sums = {}
for seed in range(MODELS):
    torch.manual_seed(seed)
    model = AltCLIPModel(AltCLIPConfig.from_dict(CONFIG))
    for name, tensor in model.named_parameters():
        name = name.replace("encoder.layers.", "encoder.layer.")
        values = tensor.detach().double()
        entry = sums.setdefault(name, [0, 0.0, 0.0, 0])
        entry[0] += values.numel()
        entry[1] += values.sum().item()
        entry[2] += (values**2).sum().item()
        entry[3] += (values == 0).sum().item()

tensors = {}
for name, (n, total, squares, zeros) in sums.items():
    mean = total / n
    std = max(squares / n - mean**2, 0) ** 0.5
    tensors[name] = [float(f"{x:.6g}") for x in (mean, std if std > 1e-7 else 0, zeros / MODELS)]
lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(tensors.items()))
print(f'{{\n  "transformers": "{version}",\n  "config": {json.dumps(CONFIG)},')
print(f'  "models": {MODELS},\n  "mean, std, zeros": {{\n{lines}\n  }}\n}}')
