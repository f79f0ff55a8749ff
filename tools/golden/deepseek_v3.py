"""Goldens of DeepSeek V3: `python tools/golden/deepseek_v3.py [case…]`."""

from common import FP8, Case, affine, fp8_values, in_fp8, main, new_form, tiny

YARN = {
    "type": "yarn",
    "factor": 4.0,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "original_max_position_embeddings": 32,
}
BASE = tiny(
    "deepseek_v3",
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
    q_lora_rank=32,
    n_routed_experts=8,
    n_shared_experts=1,
    topk_method="noaux_tc",
    n_group=4,
    topk_group=2,
    norm_topk_prob=True,
    scoring_func="sigmoid",
    routed_scaling_factor=2.5,
    rope_scaling=YARN,
    num_nextn_predict_layers=0,
)
GATES = ("model.layers.1.mlp.gate", "model.layers.2.mlp.gate")  # which MLX keeps dense

LINEARS = ("_proj.weight", "_proj_with_mqa.weight")


def draw_fp8(name, shape, rng):
    linear = name.endswith(LINEARS) or ".experts." in name
    return fp8_values(shape, rng) if linear and "embed" not in name else None


CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"norm_topk_prob": False}, {"topk_group": 4}]),
    "new_form": Case(
        new_form(BASE | {"q_lora_rank": None, "n_group": 1, "topk_group": 1, "attention_bias": True}),
        dtype="bfloat16",
        weights="new form",
        layout="hub",
        mlx_lm="does not read rope_parameters",
    ),
    "fp8": Case(
        BASE | {"quantization_config": FP8},
        dtype="bfloat16",
        layout=in_fp8(LINEARS),
        draw=draw_fp8,
        mlx_lm="has blocks of 128 only",
    ),
    "mlx": Case(BASE, dtype="bfloat16", layout="mlx"),
    "quantized_4bit": Case(
        BASE, dtype="bfloat16", quantize=affine(), untouched=GATES, layout="hub", mlx_lm="takes stacked codes only"
    ),
}

main("deepseek_v3", CASES)
