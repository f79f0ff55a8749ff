"""Goldens of StableLM 2: `python tools/golden/stablelm.py [case…]`."""

from common import Case, affine, main, new_form, tiny, without

BASE = without(
    tiny("stablelm", layer_norm_eps=0.01, partial_rotary_factor=0.25, use_qkv_bias=True), "rms_norm_eps",
)
BASE |= {"use_parallel_residual": False, "qk_layernorm": False, "num_attention_heads": 2, "num_key_value_heads": 1}

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"partial_rotary_factor": 1.0}]),
    "parallel_new_form": Case(
        new_form(BASE | {"use_parallel_residual": True, "qk_layernorm": True, "use_qkv_bias": False, "num_attention_heads": 4}),
        dtype="bfloat16",
        sees=[{"qk_layernorm": False}],
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("stablelm", CASES)
