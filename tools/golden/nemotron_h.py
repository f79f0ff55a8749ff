"""Goldens of the nemotron_h family: `python tools/golden/nemotron_h.py [case…]`."""

from common import Case, affine, main, tiny, without

BASE = without(tiny("nemotron_h"), "rms_norm_eps", "rope_theta") | {
    "hybrid_override_pattern": "M*-E",
    "num_hidden_layers": 4,
    "head_dim": 16,
    "layer_norm_epsilon": 0.01,
    "attention_bias": False,
    "mlp_bias": False,
    "use_bias": False,
    "use_conv_bias": True,
    "mlp_hidden_act": "relu2",
    "mamba_hidden_act": "silu",
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "mamba_proj_bias": False,
    "ssm_state_size": 20,
    "n_groups": 2,
    "conv_kernel": 4,
    "expand": 2,
    "chunk_size": 16,
    "time_step_limit": [0.0, float("inf")],
    "time_step_min": 0.001,
    "time_step_max": 0.1,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 32,
    "moe_shared_expert_intermediate_size": 64,
    "norm_topk_prob": True,
    "routed_scaling_factor": 1.5,
}
NEW_FORM = without(BASE, "hybrid_override_pattern", "num_hidden_layers", "time_step_limit") | {
    "layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"],
    "num_hidden_layers": 4,
    "n_group": 4,
    "topk_group": 2,
    "moe_latent_size": 24,
    # Which transformers has no use for, and the files no tensors.
    "attention_bias": True,
    "tie_word_embeddings": True,
    "mlp_bias": True,
    "use_bias": True,
}

CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"routed_scaling_factor": 1.0}, {"norm_topk_prob": False}]),
    "groups_latent_biases": Case(
        NEW_FORM, dtype="bfloat16", layout="hub", sees=[{"n_group": 1, "topk_group": 1}], mlx_lm="drops groups by zeros, and has no biases there"
    ),
    "mlx_4bit": Case(BASE, dtype="bfloat16", layout="mlx", quantize=affine(4), untouched=("backbone.layers.3.mixer.gate", "model.layers.3.mixer.gate")),
}

main("nemotron_h", CASES)
