"""Goldens of DeepSeek V2: `python tools/golden/deepseek_v2.py [case…]`."""

from common import Case, affine, main, new_form, tiny

YARN = {
    "type": "yarn",
    "factor": 4.0,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 0.707,
    "mscale_all_dim": 0.707,
    "original_max_position_embeddings": 32,
}
BASE = tiny(
    "deepseek_v2",
    kv_lora_rank=32,
    qk_nope_head_dim=16,
    qk_rope_head_dim=8,
    v_head_dim=24,
    moe_intermediate_size=32,
    num_key_value_heads=4,
    num_experts_per_tok=2,
    num_hidden_layers=3,
    first_k_dense_replace=1,
    moe_layer_freq=1,
    q_lora_rank=None,
    n_routed_experts=6,
    n_shared_experts=2,
    topk_method="greedy",
    n_group=None,
    topk_group=None,
    norm_topk_prob=False,
    scoring_func="softmax",
    routed_scaling_factor=1.5,
    rope_scaling=YARN,
)
GROUPS = {
    "q_lora_rank": 32,
    "topk_method": "group_limited_greedy",
    "n_group": 3,
    "topk_group": 1,
    "attention_bias": True,
}
GATES = ("model.layers.1.mlp.gate", "model.layers.2.mlp.gate")  # which MLX keeps dense

CASES = {
    "lite": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"routed_scaling_factor": 1.0}]),
    "groups": Case(
        new_form(BASE | GROUPS), dtype="bfloat16", layout="hub", sees=[{"topk_group": 2}], mlx_lm="does not read rope_parameters"
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), untouched=GATES, layout="mlx"),
}

main("deepseek_v2", CASES)
