"""Goldens of ERNIE 4.5: `python tools/golden/ernie4_5.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("ernie4_5", head_dim=16, use_bias=False, rope_theta=500000.0, tie_word_embeddings=True)

CASES = {
    "plain": Case(BASE, dtype="bfloat16"),
    "new_form": Case(
        new_form(BASE | {"use_bias": True, "rope_theta": 1000.0, "tie_word_embeddings": False}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("ernie4_5", CASES)
