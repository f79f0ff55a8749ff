"""Goldens of Gemma 3n's text model: `python tools/golden/gemma3n.py [case…]`."""

import torch
from common import Case, affine, main, tiny, without

TYPES = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
BASE = tiny("gemma3n_text", head_dim=8, num_hidden_layers=4, tie_word_embeddings=True) | {
    "hidden_activation": "gelu_pytorch_tanh",
    "rope_theta": 1000.0,
    "rope_local_base_freq": 100.0,
    "sliding_window": 8,
    "layer_types": TYPES,
    "final_logit_softcapping": 2.0,
    "num_kv_shared_layers": 2,
    "hidden_size_per_layer_input": 32,
    "vocab_size_per_layer_input": 80,
    "altup_num_inputs": 3,
    "altup_active_idx": 0,
    "altup_coef_clip": 120.0,
    "altup_correct_scale": True,
    "laurel_rank": 32,
    "intermediate_size": [64, 32, 64, 64],
    "activation_sparsity_pattern": [0.8, 0.0, 0.6, 0.0],
}
NEW_FORM = without(BASE, "rope_theta", "rope_local_base_freq") | {
    "rope_parameters": {
        "full_attention": {"rope_type": "default", "rope_theta": 1000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
    },
    "altup_correct_scale": False,
}
WRAPPED = {
    "architectures": ["Gemma3nForConditionalGeneration"],
    "model_type": "gemma3n",
    "audio_soft_tokens_per_image": 188,
    "text_config": NEW_FORM,
    "audio_config": {"hidden_size": 8, "model_type": "gemma3n_audio"},
    "vision_config": {"hidden_size": 8, "model_type": "gemma3n_vision"},
    "vision_soft_tokens_per_image": 256,
}
WHY = "wrong without a cache"


def draw(name, shape, rng):
    """Embeddings are scaled up, scores are not scaled down; AltUp's router shrinks its input by the width."""
    if "embed_tokens" in name:
        return rng.normal(0, 0.08, shape)
    if "q_norm" in name or "k_norm" in name:
        return rng.uniform(0.3, 1.0, shape)
    if "modality_router" in name:
        return rng.normal(0, 3.0, shape)
    return rng.uniform(0.4, 1.8, shape) if "correct_output_scale" in name else None


def published(hub):
    """Behind a prefix, with towers, and with keys and values of the layers that use others'."""
    tensors = {n.replace("model.", "model.language_model.", 1): t for n, t in hub.items() if n != "lm_head.weight"}
    unused = {f"model.language_model.layers.3.self_attn.{p}_proj.weight": torch.ones(16, 32) for p in "kv"}
    towers = {"model.vision_tower.stem.weight": torch.ones(2, 2), "model.embed_audio.norm.weight": torch.ones(2)}
    return tensors | unused | towers


def mlx(hub):
    """As mlx-lm saves it: the towers left out."""
    return {n.replace("model.", "model.language_model.", 1): t for n, t in hub.items() if n != "lm_head.weight"}


CASES = {
    "plain": Case(
        BASE,
        dtype="bfloat16",
        layout="hub",
        mlx_lm=WHY,
        sees=[{"sliding_window": 9}, {"activation_sparsity_pattern": [0.0] * 4}, {"altup_correct_scale": False}],
    ),
    "published": Case(WRAPPED, dtype="bfloat16", layout=published, mlx_lm=WHY),
    "mlx": Case({"model_type": "gemma3n", "text_config": BASE}, dtype="bfloat16", layout=mlx, mlx_lm=WHY),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="hub", mlx_lm=WHY),
}

main("gemma3n", CASES, draw)
