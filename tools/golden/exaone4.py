"""Goldens of EXAONE 4: `python tools/golden/exaone4.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "exaone4", rope_scaling=None, head_dim=8, num_hidden_layers=3, sliding_window=8, sliding_window_pattern=2,
)
FULL = tiny(
    "exaone4", head_dim=8, sliding_window=None, sliding_window_pattern=None, layer_types=["full_attention"] * 2,
)

CASES = {
    "plain": Case(
        BASE | {"sliding_window_pattern": "LG", "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
        dtype="bfloat16",
        sees=[{"sliding_window": 9}],
        mlx_lm=None,
    ),
    "full": Case(new_form(FULL) | {"sliding_window_pattern": 0}, dtype="bfloat16", mlx_lm="does not read rope_parameters"),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), mlx_lm="wants letters as pattern"),
}

main("exaone4", CASES)
