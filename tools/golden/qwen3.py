"""Goldens of the qwen3 family: `python tools/golden/qwen3.py [case…]`."""

from common import Case, main

BASE = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 72,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 128,
    "rms_norm_eps": 0.01,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "use_sliding_window": False,
    "max_window_layers": 2,
    "attention_bias": False,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
TIED = {"tie_word_embeddings": True}
WINDOW = {"use_sliding_window": True, "sliding_window": 8}
PATTERN = ["full_attention", "sliding_attention", "full_attention"]


def affine(bits):
    return {"group_size": 64, "bits": bits, "mode": "affine"}


# As transformers 5 writes a config; the other cases are as models have been published.
NEW_FORM = {k: v for k, v in BASE.items() if k != "rope_theta"} | {
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "dtype": "bfloat16",
}

CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"rope_theta": 10000.0}]),
    "tied": Case(BASE | TIED, dtype="bfloat16"),
    "window": Case(
        NEW_FORM | TIED | WINDOW | {"num_hidden_layers": 3, "layer_types": PATTERN},
        dtype="bfloat16",
        sees=[{"use_sliding_window": False, "layer_types": None}, {"sliding_window": 9}],
        mlx_lm="ignores the window and rope_parameters",
    ),
    "quantized_4bit": Case(BASE | TIED | {"intermediate_size": 128}, dtype="bfloat16", quantize=affine(4)),
    "quantized_8bit": Case(BASE | {"intermediate_size": 128}, dtype="float16", quantize=affine(8)),
}

main("qwen3", CASES)
