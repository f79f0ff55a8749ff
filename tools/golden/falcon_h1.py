"""Goldens of the falcon_h1 family: `python tools/golden/falcon_h1.py [case…]`."""

from common import Case, main

BASE = {
    "architectures": ["FalconH1ForCausalLM"],
    "model_type": "falcon_h1",
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "hidden_act": "silu",
    "max_position_embeddings": 128,
    "rms_norm_eps": 0.01,
    "rope_theta": 100000000000.0,
    "attention_bias": False,
    "mlp_bias": False,
    "projectors_bias": False,
    "mamba_d_ssm": 96,
    "mamba_n_heads": 6,
    "mamba_d_head": 16,
    "mamba_n_groups": 1,
    "mamba_d_state": 20,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
    "mamba_chunk_size": 16,
    "mamba_conv_bias": True,
    "mamba_proj_bias": False,
    "mamba_norm_before_gate": False,
    "mamba_rms_norm": False,
    "mamba_use_mlp": True,
    "mlp_expansion_factor": 8,
    "attention_in_multiplier": 1.2,
    "attention_out_multiplier": 0.7,
    "embedding_multiplier": 3.1,
    "key_multiplier": 0.6,
    "lm_head_multiplier": 0.4,
    "mlp_multipliers": [0.8, 0.6],
    "ssm_in_multiplier": 1.25,
    "ssm_multipliers": [0.35, 0.5, 1.4, 0.7, 0.9],
    "ssm_out_multiplier": 0.5,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MULTIPLIERS = [k for k in BASE if k.endswith("multiplier")]
NO_MULTIPLIERS = {k: 1.0 for k in MULTIPLIERS} | {"mlp_multipliers": [1.0, 1.0], "ssm_multipliers": [1.0] * 5}
# Powers of two, by which weights can be multiplied without rounding.
EXACT = {
    "attention_in_multiplier": 2.0,
    "attention_out_multiplier": 0.5,
    "embedding_multiplier": 4.0,
    "key_multiplier": 0.25,
    "lm_head_multiplier": 0.5,
    "mlp_multipliers": [2.0, 0.5],
    "ssm_in_multiplier": 0.5,
    "ssm_multipliers": [0.5, 2.0, 4.0, 0.5, 2.0],
    "ssm_out_multiplier": 0.25,
}
DROPPED = "drops key_multiplier, and attention_in_multiplier of v"


def affine(bits):
    return {"group_size": 64, "bits": bits, "mode": "affine"}


CASES = {
    "multipliers": Case(
        BASE,
        dtype="bfloat16",
        layout="hub",
        sees=[{k: 1.0} for k in MULTIPLIERS if k != "lm_head_multiplier"]
        + [{"mlp_multipliers": [0.8, 1.0]}, {"ssm_multipliers": [0.35, 0.5, 1.4, 0.7, 1.0]}],
        mlx_lm=DROPPED,
    ),
    "groups_biases": Case(
        BASE
        | NO_MULTIPLIERS
        | {
            "mamba_rms_norm": True,
            "mamba_norm_before_gate": True,
            "mamba_n_groups": 2,
            "attention_bias": True,
            "mlp_bias": True,
            "projectors_bias": True,
            "mamba_proj_bias": True,
        },
        dtype="bfloat16",
        sees=[{"mamba_norm_before_gate": False}],
        mlx_lm="normalizes all groups at once",
    ),
    # Multipliers folded into the weights, and still in the config.
    "mlx": Case(BASE | EXACT, dtype="bfloat16", layout="mlx", mlx_lm=DROPPED),
    "mlx_tied_4bit": Case(
        BASE | EXACT | {"tie_word_embeddings": True, "mamba_rms_norm": True, "mamba_d_ssm": 128, "mamba_n_heads": 8},
        dtype="bfloat16",
        layout="mlx",
        quantize=affine(4),
        mlx_lm=DROPPED,
    ),
}

main("falcon_h1", CASES)
