"""Goldens of the qwen2 family: `python tools/golden/qwen2.py [case…]`."""

from common import Case, main

BASE = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 72,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 128,
    "rms_norm_eps": 0.01,
    "rope_theta": 1000000.0,
    "sliding_window": 8,
    "use_sliding_window": False,
    "max_window_layers": 1,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
WINDOW = {"use_sliding_window": True}
PATTERN = ["sliding_attention", "full_attention", "sliding_attention"]

# As transformers 5 writes a config; the other cases are as models have been published.
NEW_FORM = {k: v for k, v in BASE.items() if k != "rope_theta"} | {
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "dtype": "bfloat16",
}

CASES = {
    # As Qwen2.5 is published: a window is named and switched off.
    "plain": Case(BASE, dtype="bfloat16", sees=[WINDOW, {"rope_theta": 10000.0}]),
    # Layers below max_window_layers are full; the others see 8 positions.
    "window": Case(
        BASE | WINDOW,
        dtype="bfloat16",
        sees=[{"use_sliding_window": False}, {"max_window_layers": 0}, {"sliding_window": 9}],
        mlx_lm="ignores the window",
    ),
    # layer_types, where given, rules and max_window_layers does not.
    "window_layer_types": Case(
        NEW_FORM | WINDOW | {"num_hidden_layers": 3, "layer_types": PATTERN},
        dtype="bfloat16",
        sees=[{"use_sliding_window": False, "layer_types": None}, {"layer_types": None}],
        mlx_lm="ignores the window and rope_parameters",
    ),
    "quantized_4bit_tied": Case(
        BASE | {"intermediate_size": 128, "tie_word_embeddings": True},
        dtype="bfloat16",
        quantize={"group_size": 64, "bits": 4, "mode": "affine"},
    ),
}

main("qwen2", CASES)
