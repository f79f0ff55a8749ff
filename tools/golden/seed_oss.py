"""Goldens of Seed-OSS: `python tools/golden/seed_oss.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "seed_oss",
    head_dim=16,
    attention_bias=True,
    attention_out_bias=False,
    mlp_bias=False,
    rope_theta=10000000.0,
)

CASES = {
    "plain": Case(BASE, dtype="bfloat16"),
    "new_form": Case(
        new_form(BASE | {"attention_out_bias": True, "mlp_bias": True}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("seed_oss", CASES)
