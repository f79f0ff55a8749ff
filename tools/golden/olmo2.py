"""Goldens of OLMo 2: `python tools/golden/olmo2.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("olmo2", attention_bias=False)

CASES = {
    "plain": Case(BASE, dtype="bfloat16"),
    "new_form": Case(
        new_form(BASE | {"attention_bias": True, "rope_theta": 500000.0, "tie_word_embeddings": True}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("olmo2", CASES)
