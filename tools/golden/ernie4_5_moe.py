"""Goldens of ERNIE 4.5 with mixtures of experts: `python tools/golden/ernie4_5_moe.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "ernie4_5_moe",
    num_hidden_layers=3,
    moe_intermediate_size=32,
    moe_num_experts=6,
    moe_k=2,
    moe_num_shared_experts=2,
    moe_layer_start_index=1,
    moe_layer_end_index=2,
    moe_layer_interval=1,
    use_bias=False,
    rope_theta=500000.0,
)
DROPS = "drops the correction"

CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"moe_k": 1}], mlx_lm=DROPS),
    "new_form": Case(
        new_form(BASE | {"use_bias": True, "moe_layer_end_index": -1, "moe_layer_interval": 2, "tie_word_embeddings": True}),
        dtype="bfloat16",
        layout="hub",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="hub", mlx_lm=DROPS),
}

main("ernie4_5_moe", CASES)
