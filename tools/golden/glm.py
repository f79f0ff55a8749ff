"""Goldens of GLM-4 9B: `python tools/golden/glm.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("glm", head_dim=16, partial_rotary_factor=0.5, attention_bias=True, pad_token_id=0)

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"partial_rotary_factor": 1.0}], mlx_lm="rotates whole heads"),
    "new_form": Case(
        new_form(BASE | {"attention_bias": False}), dtype="bfloat16", mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), mlx_lm="rotates whole heads"),
}

main("glm", CASES)
