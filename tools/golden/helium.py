"""Goldens of Helium: `python tools/golden/helium.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("helium", head_dim=8, attention_bias=False, mlp_bias=False, rope_theta=100000.0)

CASES = {
    "plain": Case(BASE, dtype="bfloat16"),
    "new_form": Case(
        new_form(BASE | {"attention_bias": True, "mlp_bias": True, "rope_theta": 100.0, "tie_word_embeddings": True}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("helium", CASES)
