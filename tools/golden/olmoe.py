"""Goldens of OLMoE: `python tools/golden/olmoe.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("olmoe", num_experts=6, num_experts_per_tok=2, norm_topk_prob=False, clip_qkv=None, intermediate_size=32)

CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"norm_topk_prob": True}]),
    "clipped": Case(
        new_form(BASE | {"clip_qkv": 0.7, "norm_topk_prob": True}),
        dtype="bfloat16",
        layout="hub",
        sees=[{"clip_qkv": None}],
        mlx_lm="ignores clip_qkv and rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="mlx"),
}

main("olmoe", CASES)
