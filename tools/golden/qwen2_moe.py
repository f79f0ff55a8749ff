"""Goldens of Qwen1.5 and Qwen2 with mixtures of experts: `python tools/golden/qwen2_moe.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "qwen2_moe",
    num_hidden_layers=2,
    moe_intermediate_size=32,
    shared_expert_intermediate_size=64,
    num_experts=5,
    num_experts_per_tok=2,
    norm_topk_prob=False,
    decoder_sparse_step=1,
    mlp_only_layers=[],
)
WINDOW = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2, "num_hidden_layers": 3}
PATTERN = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "mlp_only_layers": [2]}

CASES = {
    "published": Case(BASE | {"use_sliding_window": False, "sliding_window": 0}, dtype="bfloat16", layout="hub", sees=[{"norm_topk_prob": True}]),
    "window": Case(
        new_form(BASE | WINDOW | PATTERN),
        dtype="bfloat16",
        layout="hub",
        sees=[{"sliding_window": 9}],
        mlx_lm="ignores the window and rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), untouched=("model.layers.0.mlp.shared_expert_gate",), layout="mlx"),
}

main("qwen2_moe", CASES)
