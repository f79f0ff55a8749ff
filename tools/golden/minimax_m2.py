"""Goldens of MiniMax M2: `python tools/golden/minimax_m2.py [case…]`."""

from common import FP8, Case, affine, fp8_values, in_fp8, main, new_form, tiny

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

LINEARS = ("_proj.weight", ".w1.", ".w2.", ".w3.")


def draw_fp8(name, shape, rng):
    return fp8_values(shape, rng) if "_proj" in name and len(shape) > 1 else None


CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"num_experts_per_tok": 1}]),
    "fp8": Case(
        BASE | {"quantization_config": FP8},
        dtype="bfloat16",
        layout=in_fp8(LINEARS),
        draw=draw_fp8,
        mlx_lm="has blocks of 128 only",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="mlx"),
}

main("minimax_m2", CASES)
