"""Goldens of Qwen3-Next and Qwen3.5: `python tools/golden/qwen3_next.py [case…]`."""

import numpy as np
import torch
from common import Case, affine, main, new_form, tiny, without

DELTA = {
    "head_dim": 16,
    "partial_rotary_factor": 0.5,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 12,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
EXPERTS = {
    "num_experts": 5,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "norm_topk_prob": True,
}
NEXT = tiny("qwen3_next", **DELTA, **EXPERTS, full_attention_interval=2, decoder_sparse_step=1, mlp_only_layers=[])
FIVE = new_form(tiny("qwen3_5_text", **DELTA, full_attention_interval=2, attn_output_gate=True, mamba_ssm_dtype="float32"))
FIVE["rope_parameters"] |= {"mrope_interleaved": True, "mrope_section": [2, 1, 1]}


def wrapped(text, name):
    """As Qwen publishes it: beside a vision tower."""
    ids = {"image_token_id": 70, "video_token_id": 71, "vision_start_token_id": 72, "vision_end_token_id": 73}
    vision = {"model_type": name, "depth": 1, "hidden_size": 8}
    text = text | {"model_type": f"{name}_text", "mtp_num_hidden_layers": 1}
    return {"model_type": name, "text_config": text, "vision_config": vision, "tie_word_embeddings": False} | ids


def with_prefix(tensors):
    return {n.replace("model.", "model.language_model.", 1): t for n, t in tensors.items()}


def with_stacks(tensors):
    """Qwen3.5's experts are published as stacks, gate and up as one."""
    out = {n: t for n, t in with_prefix(tensors).items() if ".experts." not in n}
    for layer in range(2):
        at = f"layers.{layer}.mlp.experts."
        stack = {p: torch.stack([tensors[f"model.{at}{e}.{p}.weight"] for e in range(5)]) for p in ("gate_proj", "up_proj", "down_proj")}
        out[f"model.language_model.{at}gate_up_proj"] = torch.cat([stack["gate_proj"], stack["up_proj"]], 1)
        out[f"model.language_model.{at}down_proj"] = stack["down_proj"]
    return out


def as_mlx(tensors):
    """What mlx-lm's sanitize makes of the text model, which it knows in its wrapper only."""

    def changed(name, value):
        if "conv1d" in name:
            return value.transpose(1, 2)
        return value + 1 if name.endswith("norm.weight") and "linear" not in name else value

    return {f"language_model.{n}": changed(n, t) for n, t in tensors.items()}


def towers(_config):
    return {"model.visual.patch_embed.proj.weight": torch.ones(8, 3), "mtp.fc.weight": torch.ones(4, 4)}


def draw(name, shape, rng):
    """Norms that stay exact in bfloat16 when 1 is added."""
    return rng.integers(-32, 48, shape) / np.float32(64) if name.endswith("norm.weight") and "linear" not in name else None


CASES = {
    "published": Case(NEXT, dtype="bfloat16", layout="hub", sees=[{"partial_rotary_factor": 1.0}]),
    "dense_layers": Case(
        NEXT
        | {"mlp_only_layers": [1], "layer_types": ["full_attention", "linear_attention"], "attention_bias": True},
        dtype="bfloat16",
        layout="hub",
        mlx_lm="reads no layer_types",
    ),
    "mlx_4bit": Case(
        NEXT,
        dtype="bfloat16",
        layout="mlx",
        quantize=affine(4, **{"model.layers.0.mlp.gate": {"group_size": 32, "bits": 8}}),
    ),
    "qwen3_5": Case(
        wrapped(FIVE, "qwen3_5"),
        dtype="bfloat16",
        layout=with_prefix,
        extra=towers,
    ),
    "qwen3_5_mlx_8bit": Case(wrapped(FIVE, "qwen3_5"), dtype="bfloat16", layout=as_mlx, quantize=affine(8)),
    "qwen3_5_moe": Case(
        wrapped(without(FIVE, "intermediate_size") | EXPERTS, "qwen3_5_moe"),
        dtype="bfloat16",
        layout=with_stacks,
        extra=towers,
    ),
}

main("qwen3_next", CASES, draw)
