"""Goldens of Apertus: `python tools/golden/apertus.py [case…]`."""

import numpy as np
from common import Case, affine, main, new_form, tiny

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
BASE = tiny(
    "apertus",
    hidden_act="xielu",
    rope_scaling=LLAMA3,
    attention_bias=False,
    mlp_bias=False,
    qk_norm=True,
    post_norm=False,
)


def draw(name, shape, rng):
    """The activation's learned numbers."""
    return np.full(shape, rng.uniform(-1, 1)) if "alpha_" in name else None


CASES = {
    "plain": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"rope_scaling": None}]),
    "new_form": Case(
        new_form(BASE | {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="hub"),
}

main("apertus", CASES, draw)
