"""Goldens of Gemma 3's text model: `python tools/golden/gemma3.py [case…]`."""

import torch
from common import Case, affine, main, tiny, without

SCALING = {"rope_type": "linear", "factor": 8.0}
BASE = tiny(
    "gemma3_text",
    head_dim=16,
    num_hidden_layers=3,
    hidden_activation="gelu_pytorch_tanh",
    tie_word_embeddings=True,
    rope_theta=1000000.0,
    rope_local_base_freq=100.0,
    rope_scaling=SCALING,
    query_pre_attn_scalar=24,
    sliding_window=8,
    sliding_window_pattern=3,
)
NEW_FORM = without(BASE, "rope_theta", "rope_local_base_freq", "rope_scaling", "sliding_window_pattern") | {
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "rope_parameters": {
        "full_attention": SCALING | {"rope_theta": 1000000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
    },
    "final_logit_softcapping": 2.0,
}
WRAPPED = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "boi_token_index": 70,
    "image_token_index": 71,
    "mm_tokens_per_image": 4,
    "text_config": without(BASE, "tie_word_embeddings") | {"tie_word_embeddings": True},
    "vision_config": {"hidden_size": 8, "model_type": "siglip_vision_model"},
}


def draw(name, shape, rng):
    """Norms are stored less one."""
    return rng.normal(0, 0.4, shape) if "norm" in name else None


def wrapped(prefix):
    """The text model's tensors behind a prefix, among a tower's."""

    def layout(hub):
        kept = {f"{prefix}{n}": t for n, t in hub.items() if n != "lm_head.weight"}
        return kept | {"vision_tower.embed.weight": torch.ones(2, 2)}

    return layout


CASES = {
    "plain": Case(
        BASE,
        dtype="bfloat16",
        sees=[{"sliding_window": 9}, {"rope_local_base_freq": 10000.0}, {"rope_scaling": None}, {"query_pre_attn_scalar": 16}],
    ),
    "new_form": Case(
        NEW_FORM,
        dtype="bfloat16",
        sees=[{"final_logit_softcapping": None}],
        mlx_lm="does not read rope_parameters",
    ),
    "wrapped": Case(WRAPPED, dtype="bfloat16", layout=wrapped("language_model."), mlx_lm="is not asked"),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("gemma3", CASES, draw)
