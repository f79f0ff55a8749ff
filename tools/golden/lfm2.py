"""Goldens of the lfm2 family: `python tools/golden/lfm2.py [case…]`."""

from common import Case, main, tiny, without

# As Liquid publishes them: fields of their own beside transformers'.
BASE = {
    "architectures": ["Lfm2ForCausalLM"],
    "model_type": "lfm2",
    "vocab_size": 96,
    "hidden_size": 64,
    "block_dim": 64,
    "block_ff_dim": 100,
    "block_auto_adjust_ff_dim": True,
    "block_ffn_dim_multiplier": 1.0,
    "block_multiple_of": 24,
    "block_norm_eps": 1e-05,
    "block_use_swiglu": True,
    "conv_L_cache": 3,
    "conv_bias": False,
    "conv_dim": 64,
    "num_hidden_layers": 3,
    "full_attn_idxs": [1],
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "norm_eps": 0.01,
    "rope_theta": 1000000.0,
    "use_pos_enc": True,
    "vocab_size": 96,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
NEW_FORM = {k: v for k, v in BASE.items() if k not in ("block_ff_dim", "full_attn_idxs", "rope_theta")} | {
    "intermediate_size": 64,
    "block_auto_adjust_ff_dim": False,
    "layer_types": ["full_attention", "conv", "conv"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "conv_bias": True,
    "conv_L_cache": 4,
}
MOE = without(tiny("lfm2_moe"), "rms_norm_eps", "tie_word_embeddings", "num_hidden_layers") | {
    "norm_eps": 0.01,
    "num_hidden_layers": 3,
    "layer_types": ["conv", "full_attention", "conv"],
    "conv_L_cache": 3,
    "conv_bias": False,
    "num_dense_layers": 1,
    "num_experts": 5,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "norm_topk_prob": True,
    "routed_scaling_factor": 1.5,
    "use_expert_bias": True,
}


def affine(bits):
    return {"group_size": 64, "bits": bits, "mode": "affine"}


CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"rope_theta": 10000.0}]),
    "biases": Case(NEW_FORM, dtype="bfloat16"),
    "mlx_8bit": Case(BASE | {"block_ff_dim": 192, "block_multiple_of": 64}, dtype="bfloat16", layout="mlx", quantize=affine(8)),
    "moe": Case(MOE, dtype="bfloat16", layout="hub", sees=[{"norm_topk_prob": False}, {"routed_scaling_factor": 1.0}]),
    "moe_mlx_4bit": Case(
        MOE | {"use_expert_bias": False},
        dtype="bfloat16",
        layout="mlx",
        quantize={"group_size": 32, "bits": 4, "mode": "affine"},
    ),
}

main("lfm2", CASES)
