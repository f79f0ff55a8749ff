"""Goldens of GLM-4-0414: `python tools/golden/glm4.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("glm4", head_dim=16, partial_rotary_factor=0.5, attention_bias=True, pad_token_id=0)

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"partial_rotary_factor": 1.0}]),
    "new_form": Case(
        new_form(BASE | {"attention_bias": False}), dtype="bfloat16", mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("glm4", CASES)
