"""Goldens of Phi 1, 1.5 and 2: `python tools/golden/phi.py [case…]`."""

from common import Case, affine, main, new_form, tiny, without

BASE = without(
    tiny("phi", partial_rotary_factor=0.5, hidden_act="gelu_new", layer_norm_eps=0.01), "rms_norm_eps",
)

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"partial_rotary_factor": 1.0}]),
    "new_form": Case(
        new_form(BASE | {"qk_layernorm": True, "tie_word_embeddings": True}),
        dtype="bfloat16",
        sees=[{"qk_layernorm": False}],
        mlx_lm="has no qk_layernorm",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("phi", CASES)
