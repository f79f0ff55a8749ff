"""Goldens of GLM-4.5: `python tools/golden/glm4_moe.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "glm4_moe",
    num_hidden_layers=3,
    head_dim=16,
    partial_rotary_factor=0.5,
    attention_bias=True,
    use_qk_norm=False,
    moe_intermediate_size=32,
    n_routed_experts=8,
    n_shared_experts=1,
    n_group=1,
    topk_group=1,
    num_experts_per_tok=2,
    norm_topk_prob=True,
    routed_scaling_factor=1.5,
    first_k_dense_replace=1,
    num_nextn_predict_layers=0,
    rope_scaling=None,
)
GROUPS = {"n_group": 4, "topk_group": 2, "use_qk_norm": True, "n_shared_experts": 2}
GATES = ("model.layers.1.mlp.gate", "model.layers.2.mlp.gate")  # which MLX keeps dense

CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"norm_topk_prob": False}, {"routed_scaling_factor": 1.0}]),
    "groups": Case(
        new_form(BASE | GROUPS), dtype="bfloat16", layout="hub", sees=[{"topk_group": 4}], mlx_lm="does not read rope_parameters"
    ),
    "quantized_4bit": Case(BASE | GROUPS, dtype="bfloat16", quantize=affine(), untouched=GATES, layout="mlx"),
}

main("glm4_moe", CASES)
