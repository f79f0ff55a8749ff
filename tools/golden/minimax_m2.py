"""Goldens of MiniMax M2: `python tools/golden/minimax_m2.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "minimax_m2",
    head_dim=16,
    rotary_dim=8,
    intermediate_size=32,
    num_local_experts=6,
    num_experts_per_tok=2,
    rope_theta=5000000.0,
    scoring_func="sigmoid",
    use_qk_norm=True,
    shared_intermediate_size=0,
)

CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"num_experts_per_tok": 1}]),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="mlx"),
}

main("minimax_m2", CASES)
