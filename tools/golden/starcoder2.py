"""Goldens of StarCoder2: `python tools/golden/starcoder2.py [case…]`."""

from common import Case, affine, main, new_form, tiny, without

BASE = tiny(
    "starcoder2", norm_epsilon=0.01, hidden_act="gelu_pytorch_tanh", use_bias=True, tie_word_embeddings=True,
)
BASE = without(BASE, "rms_norm_eps") | {"sliding_window": 8}
WHY = "ignores the window, computes the exact GELU"

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"sliding_window": 9}], mlx_lm=WHY),
    "new_form": Case(
        new_form(BASE | {"use_bias": False, "sliding_window": None, "tie_word_embeddings": False}),
        dtype="bfloat16",
        mlx_lm=WHY,
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), mlx_lm=WHY),
}

main("starcoder2", CASES)
