"""Goldens of Hunyuan's dense models: `python tools/golden/hunyuan_v1_dense.py [case…]`."""

from common import Case, affine, main, new_form, tiny

SCALING = {"type": "dynamic", "alpha": 50.0, "factor": 1.0, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 0.0}
BASE = tiny("hunyuan_v1_dense", head_dim=16, attention_bias=False, use_qk_norm=True, rope_scaling=SCALING)

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"rope_scaling": SCALING | {"alpha": 1.0}}]),
    "new_form": Case(
        new_form(BASE | {"attention_bias": True, "tie_word_embeddings": True}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("hunyuan_v1_dense", CASES)
