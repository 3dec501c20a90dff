"""A full-size AltCLIP with weights that are hard to round: normal ones, and channels twice as large among them.

    python scripts/reference/outlier_checkpoint.py FOLDER [--size l14|m18|small] [--times 2] [--seed 5]

Writes config.json and pytorch_model.bin as BAAI's are: transformers 4's key names, the int64 buffers of 2022. Of the
input channels of every weight one in a hundred is an outlier, the same ones in all layers, as in trained transformers,
and of the token table's columns as many others, so that attention stays soft: in many of ggml's blocks some value is far
from the rest. l14: ViT-L/14 and XLM-R-large as BAAI/AltCLIP; m18: ViT-H/14 (head_dim 80) and a projection of 1024 as
BAAI/AltCLIP-m18; small: as deep as l14, 256 wide. --times 1: no outliers. Needs torch, transformers.
"""
import argparse
from pathlib import Path

import torch
from transformers import AltCLIPConfig, AltCLIPModel

XLM_R = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
         "vocab_size": 250002, "max_position_embeddings": 514}
VIT_L = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
VIT_H = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "intermediate_size": 5120,
         "hidden_act": "gelu"}
SMALL = {"hidden_size": 256, "num_hidden_layers": 24, "num_attention_heads": 4, "intermediate_size": 1024}
SIZES = {  # text, vision, projection, pixels of a side
    "l14": (XLM_R, VIT_L, 768, 224),
    "m18": (XLM_R, VIT_H, 1024, 224),
    "small": ({**SMALL, "vocab_size": 2000, "max_position_embeddings": 34}, SMALL, 256, 70),
}
OUTLIERS = 0.01


def config_of(size: str) -> AltCLIPConfig:
    text, vision, projection, side = SIZES[size]
    return AltCLIPConfig(
        text_config={**text, "project_dim": projection},
        vision_config={**vision, "image_size": side, "patch_size": 14, "projection_dim": projection},
        projection_dim=projection)


def initialise(model: AltCLIPModel, seed: int, times: float) -> None:
    """Values of useful size everywhere: attention far from uniform, biases not zero; test/fixtures/make_golden.py."""
    g = torch.Generator().manual_seed(seed)
    channels = {}  # width -> its outliers

    def normal(p: torch.Tensor, std: float, mean: float = 0.0) -> None:
        p.normal_(mean, std, generator=g)

    with torch.no_grad():
        for name, p in model.named_parameters():
            low = name.lower()
            if name == "logit_scale":
                continue
            if "norm" in low or "layrnorm" in low or "pre_ln" in low:
                normal(p, 0.1, 1.0) if name.endswith("weight") else normal(p, 0.05)
            elif name.endswith("bias"):
                normal(p, 0.05)
            elif "embedding" in low and "patch" not in low:
                normal(p, 0.5 if "word" in low else 0.3)
            else:
                normal(p, p[0].numel() ** -0.5)
            if p.dim() == 2 and "position" not in low and "token_type" not in low:
                width = p.shape[1]
                if width not in channels:
                    channels[width] = torch.randperm(width, generator=g)[: round(width * OUTLIERS)]
                outliers = channels[width] if "word" not in low else (channels[width] + 1) % width
                p[:, outliers] *= times


def legacy_state(model: AltCLIPModel) -> dict:
    state = {}
    for key, value in model.state_dict().items():
        state[key.replace("encoder.layers.", "encoder.layer.") if key.startswith("text_model.") else key] = value
    n_text = model.config.text_config.max_position_embeddings
    state["text_model.roberta.embeddings.position_ids"] = torch.arange(n_text).expand(1, -1).clone()
    state["text_model.roberta.embeddings.token_type_ids"] = torch.zeros(1, n_text, dtype=torch.int64)
    n_vision = model.vision_model.embeddings.num_positions
    state["vision_model.embeddings.position_ids"] = torch.arange(n_vision).expand(1, -1).clone()
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="l14")
    parser.add_argument("--times", type=float, default=2, help="how large outliers are, beside the others")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    config = config_of(options.size)
    with torch.device("meta"):
        model = AltCLIPModel(config)
    model = model.to_empty(device="cpu").eval()
    for name, buffer in model.named_buffers():
        fresh = torch.arange(buffer.shape[-1]) if "position_ids" in name else torch.zeros(buffer.shape[-1])
        buffer.copy_(fresh.expand(buffer.shape))
    model.logit_scale.data.fill_(config.logit_scale_init_value)
    initialise(model, options.seed, options.times)
    options.folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(options.folder)
    torch.save(legacy_state(model), options.folder / "pytorch_model.bin")


if __name__ == "__main__":
    main()
