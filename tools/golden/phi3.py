"""Goldens of Phi 3, 3.5 and 4: `python tools/golden/phi3.py [case…]`."""

import torch
from common import Case, affine, main, new_form, tiny

BASE = tiny("phi3", original_max_position_embeddings=128, rope_scaling=None)
LONGROPE = BASE | {
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
    "original_max_position_embeddings": 64,
    "partial_rotary_factor": 0.75,
    "rope_scaling": {
        "type": "longrope",
        "short_factor": [1.0, 1.1, 1.3, 1.7, 2.0, 2.5],
        "long_factor": [1.5, 2.0, 3.0, 4.5, 7.0, 9.0],
    },
}
NO_SCALING = {"rope_scaling": None}

CASES = {
    "window": Case(
        BASE | {"sliding_window": 8},
        dtype="bfloat16",
        sees=[{"sliding_window": 9}],
        mlx_lm="ignores the window",
    ),
    "longrope_short": Case(
        LONGROPE,
        dtype="bfloat16",
        sees=[NO_SCALING, {"partial_rotary_factor": 1.0} | NO_SCALING],
        mlx_lm="applies the long factors",
    ),
    "longrope_long": Case(
        LONGROPE | {"original_max_position_embeddings": 16},
        dtype="bfloat16",
        sees=[{"original_max_position_embeddings": 64}],
    ),
    "longrope_new_form": Case(new_form(LONGROPE), dtype="bfloat16", mlx_lm="does not read rope_parameters"),
    "vision": Case(
        BASE,
        dtype="bfloat16",
        stored=BASE | {"model_type": "phi3_v", "img_processor": {"name": "clip_vision_model"}, "num_img_tokens": 144},
        extra=lambda _: {"model.vision_embed_tokens.img_projection.0.weight": torch.ones(2, 2)},
        mlx_lm="has no such type",
    ),
    "quantized_4bit": Case(BASE | {"tie_word_embeddings": True}, dtype="bfloat16", quantize=affine()),
}

main("phi3", CASES)
