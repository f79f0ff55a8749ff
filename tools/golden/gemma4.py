"""Goldens of Gemma 4's text model: `python tools/golden/gemma4.py [case…]`."""

from common import Case, affine, main, tiny, without

ROPES = {
    "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 1000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
}
TYPES = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
BASE = without(tiny("gemma4_text", head_dim=8, num_hidden_layers=4, tie_word_embeddings=True), "rope_theta") | {
    "hidden_activation": "gelu_pytorch_tanh",
    "global_head_dim": 16,
    "sliding_window": 8,
    "layer_types": TYPES,
    "rope_parameters": ROPES,
    "final_logit_softcapping": 2.0,
    "attention_k_eq_v": False,
    "num_kv_shared_layers": 0,
    "use_double_wide_mlp": False,
    "hidden_size_per_layer_input": 0,
    "vocab_size_per_layer_input": 80,
}
# The small models: a vector per token and layer, the last layers without keys and values of their own.
SMALL = BASE | {"hidden_size_per_layer_input": 32, "num_kv_shared_layers": 2, "use_double_wide_mlp": True}
LARGE = BASE | {"attention_k_eq_v": True, "num_global_key_value_heads": 1}
NEW_FORM = without(LARGE, "global_head_dim", "num_global_key_value_heads") | {
    "per_layer_config": {str(i): {"head_dim": 16, "num_key_value_heads": 1} for i in (1, 3)}
}


MIXTURE = LARGE | {
    "num_hidden_layers": 2,
    "layer_types": TYPES[:2],
    "intermediate_size": 32,
    "enable_moe_block": True,
    "num_experts": 6,
    "top_k_experts": 2,
    "moe_intermediate_size": 32,
}


def draw(name, shape, rng):
    """Embeddings are scaled up, scores are not scaled down."""
    if "q_norm" in name or "k_norm" in name:
        return rng.uniform(0.3, 1.0, shape)
    if "embed_tokens" in name:
        return rng.normal(0, 0.08, shape)
    if "router.scale" in name:
        return rng.normal(0, 4.0, shape)
    return rng.uniform(0.5, 1.5, shape) if "layer_scalar" in name or "expert_scale" in name else None


CASES = {
    "small": Case(
        SMALL,
        dtype="bfloat16",
        sees=[{"sliding_window": 9}, {"final_logit_softcapping": None}, {"global_head_dim": 16, "rope_parameters": None}],
        layout="hub",
    ),
    "large": Case(LARGE, dtype="bfloat16", layout="hub", sees=[{"sliding_window": 9}]),
    "new_form": Case(
        NEW_FORM, dtype="bfloat16", layout="hub", weights="large", mlx_lm="does not read per_layer_config",
    ),
    "one_head_size": Case(
        without(BASE, "global_head_dim") | {"per_layer_config": {}, "num_hidden_layers": 2, "layer_types": TYPES[:2]},
        dtype="bfloat16",
        layout="hub",
        mlx_lm="does not read per_layer_config",
    ),
    "mixture": Case(MIXTURE, dtype="bfloat16", layout="hub", sees=[{"top_k_experts": 1}]),
    "mixture_mlx_4bit": Case(MIXTURE, dtype="bfloat16", quantize=affine(), layout="mlx"),
    "small_quantized_4bit": Case(SMALL, dtype="bfloat16", quantize=affine(), layout="hub"),
}

main("gemma4", CASES, draw)
