"""Goldens of Mixtral: `python tools/golden/mixtral.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("mixtral", num_local_experts=4, num_experts_per_tok=2, rope_theta=1000000.0, sliding_window=None)

CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"num_experts_per_tok": 1}]),
    "window": Case(
        new_form(BASE | {"sliding_window": 8}),
        dtype="bfloat16",
        layout="hub",
        sees=[{"sliding_window": 9}],
        mlx_lm="ignores the window and rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="mlx"),
}

main("mixtral", CASES)
