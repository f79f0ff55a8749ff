"""Goldens of Ministral 3: `python tools/golden/ministral3.py [case…]`."""

import torch
from common import Case, affine, main, tiny, without

YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
    "max_position_embeddings": 64,
    "beta_fast": 4.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.5,
}
BASE = without(tiny("ministral3", head_dim=16, sliding_window=None), "rope_theta") | {"rope_parameters": YARN}
WRAPPED = {
    "architectures": ["Mistral3ForConditionalGeneration"],
    "model_type": "mistral3",
    "image_token_index": 10,
    "multimodal_projector_bias": False,
    "projector_hidden_act": "gelu",
    "spatial_merge_size": 2,
    "text_config": BASE,
    "vision_config": {"hidden_size": 8, "model_type": "pixtral"},
    "vision_feature_layer": -1,
}
WINDOW = BASE | {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "llama_4_scaling_beta": 0.0}}
WINDOW["rope_parameters"]["original_max_position_embeddings"] = 16


def wrapped(hub):
    """As published: the text model's tensors behind a prefix, among a tower's."""
    towers = {"vision_tower.patch_conv.weight": torch.ones(2, 2), "multi_modal_projector.norm.weight": torch.ones(2)}
    return {f"language_model.{n}": t for n, t in hub.items()} | towers


CASES = {
    "plain": Case(
        BASE,
        dtype="bfloat16",
        sees=[{"rope_parameters": YARN | c} for c in ({"llama_4_scaling_beta": 0.0}, {"mscale": 2.0}, {"factor": 2.0})],
    ),
    "wrapped": Case(WRAPPED, dtype="bfloat16", layout=wrapped, mlx_lm="is not asked"),
    "window": Case(
        WINDOW | {"sliding_window": 8},
        dtype="bfloat16",
        sees=[{"sliding_window": 9}],
        mlx_lm="wants layer_types",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("ministral3", CASES)
