"""Goldens of the mamba2 family: `python tools/golden/mamba2.py [case…]`."""

from common import Case, main

BASE = {
    "architectures": ["Mamba2ForCausalLM"],
    "model_type": "mamba2",
    "vocab_size": 96,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_heads": 8,
    "head_dim": 16,
    "state_size": 24,
    "expand": 2,
    "conv_kernel": 4,
    "n_groups": 2,
    "use_bias": False,
    "use_conv_bias": True,
    "hidden_act": "silu",
    "layer_norm_epsilon": 0.01,
    "residual_in_fp32": True,
    "rescale_prenorm_residual": False,
    "time_step_rank": 4,
    "time_step_limit": [0.0, float("inf")],
    "time_step_floor": 0.0001,
    "time_step_min": 0.001,
    "time_step_max": 0.1,
    "chunk_size": 16,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
# What one layer cannot get wrong in mlx-lm: its block norms have an epsilon of their own.
EPSILON = "ignores layer_norm_epsilon in the blocks"
GROUPS = "normalizes all groups at once, and " + EPSILON


def affine(bits):
    return {"group_size": 64, "bits": bits, "mode": "affine"}


CASES = {
    "groups": Case(BASE, dtype="bfloat16", sees=[{"n_groups": 2, "hidden_act": "gelu"}], mlx_lm=GROUPS),
    # As transformers 5 writes an infinity; biases everywhere, a kernel of 3.
    "biases": Case(
        BASE
        | {
            "n_groups": 1,
            "use_bias": True,
            "conv_kernel": 3,
            "tie_word_embeddings": True,
            "time_step_limit": [0.0, {"__float__": "Infinity"}],
        },
        dtype="bfloat16",
        layout="hub",
        mlx_lm=EPSILON,
    ),
    "mlx_4bit": Case(
        BASE | {"n_groups": 1, "use_conv_bias": False, "intermediate_size": 128, "tie_word_embeddings": True, "time_step_limit": [0.0, 1e6]},
        dtype="bfloat16",
        layout="mlx",
        quantize=affine(4),
        mlx_lm=EPSILON,
    ),
}

main("mamba2", CASES)
