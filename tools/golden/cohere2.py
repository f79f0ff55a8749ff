"""Goldens of Command R7B and Command A: `python tools/golden/cohere2.py [case…]`."""

from common import Case, affine, main, new_form, tiny, without

BASE = tiny(
    "cohere2",
    num_hidden_layers=3,
    layer_norm_eps=0.01,
    logit_scale=0.3,
    sliding_window=8,
    sliding_window_pattern=2,
    head_dim=8,
    tie_word_embeddings=True,
)
BASE = without(BASE, "rms_norm_eps")
TYPES = ["full_attention", "sliding_attention", "sliding_attention"]

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"sliding_window": 9}, {"sliding_window_pattern": 3}]),
    "new_form": Case(
        new_form(without(BASE, "sliding_window_pattern") | {"layer_types": TYPES, "attention_bias": True, "rope_theta": 100.0}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("cohere2", CASES)
