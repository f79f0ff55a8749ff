"""Goldens of SmolLM3: `python tools/golden/smollm3.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("smollm3", num_hidden_layers=3, no_rope_layers=[1, 0, 1], rope_theta=2000000.0)

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"no_rope_layers": [1, 1, 1]}]),
    "new_form": Case(
        new_form(BASE | {"use_sliding_window": True, "sliding_window": 8, "tie_word_embeddings": True}),
        dtype="bfloat16",
        sees=[{"sliding_window": 9}],
        mlx_lm="ignores the window and rope_parameters",
    ),
    "quantized_4bit": Case(BASE | {"no_rope_layer_interval": 2}, dtype="bfloat16", quantize=affine()),
}

main("smollm3", CASES)
