"""Goldens of Command R: `python tools/golden/cohere.py [case…]`."""

from common import Case, affine, main, new_form, tiny, without

BASE = tiny("cohere", layer_norm_eps=0.01, logit_scale=0.3, use_qk_norm=False, tie_word_embeddings=True)
BASE = without(BASE, "rms_norm_eps")

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"logit_scale": 0.0625}]),
    "qk_norm_new_form": Case(
        new_form(BASE | {"use_qk_norm": True, "attention_bias": True}),
        dtype="bfloat16",
        sees=[{"use_qk_norm": False}],
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("cohere", CASES)
