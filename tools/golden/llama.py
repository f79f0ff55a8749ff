"""Goldens of the llama family (Llama, Mistral 7B and their kin): `python tools/golden/llama.py [case…]`."""

import torch
from common import Adapter, Case, main

BASE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 72,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 128,
    "rms_norm_eps": 0.01,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
NO_SCALING = [{"rope_scaling": None}]

# Head size 32 gives wavelengths from 6 to 35000: below 32/4 kept, above 32/1 divided, blended between.
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LLAMA3_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1}
LLAMA3_NEW = {k: v for k, v in BASE.items() if k != "rope_theta"} | LLAMA3_HEADS
LLAMA3_NEW |= {"rope_parameters": LLAMA3 | {"rope_theta": 10000.0}}

MISTRAL = BASE | {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
del MISTRAL["attention_bias"], MISTRAL["mlp_bias"]

# For quantized cases: every input divisible by 64.
WIDE = BASE | {"intermediate_size": 128}
TIED = {"tie_word_embeddings": True}


def inv_freq_buffers(config):
    """What checkpoints of 2023 carry: the rope table of every layer, rounded to half precision."""
    size = config["hidden_size"] // config["num_attention_heads"]
    table = config["rope_theta"] ** (-torch.arange(0, size, 2).float() / size)
    layers = range(config["num_hidden_layers"])
    return {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": table.half() for i in layers}


def affine(bits, group_size=64, **overrides):
    return {"group_size": group_size, "bits": bits, "mode": "affine"} | overrides


ADAPTERS = {
    "lora": Adapter("lora", ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"], 4, 2.5, 2),
    "dora": Adapter("dora", ["self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj"], 4, 1.5, 1),
}
PEFT = {"peft": Adapter("peft", ["self_attn.q_proj", "self_attn.k_proj", "mlp.gate_proj"], 8, 2.0, 2)}

MIXED = {
    "model.layers.0.self_attn.q_proj": {"group_size": 32, "bits": 8, "mode": "affine"},
    "model.layers.0.mlp.down_proj": {"group_size": 32, "bits": 8, "mode": "affine"},
    "model.layers.1.self_attn.o_proj": False,
    "lm_head": {"group_size": 64, "bits": 6},
}

# The first MLX uploads: Meta's names, neighbours of a head paired for rotation, weights.npz.
META_NAMES = {
    "model.embed_tokens": "tok_embeddings",
    "model.norm": "norm",
    "lm_head": "output",
    "model.layers": "layers",
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
}
META = {"dim": 64, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 0.01, "vocab_size": -1}
META_MISTRAL = META | {"vocab_size": 96, "hidden_dim": 128, "head_dim": 16, "sliding_window": 8, "model_type": "mistral"}


def meta_layout(hub):
    out = {"rope.freqs": torch.ones(8)}
    for name, tensor in hub.items():
        if "q_proj" in name or "k_proj" in name:
            rows, columns = tensor.shape
            tensor = tensor.reshape(-1, 2, 8, columns).transpose(1, 2).reshape(rows, columns)
        for old, new in META_NAMES.items():
            name = name.replace(old, new)
        out[name] = tensor.contiguous()
    return out


def among_towers(hub):
    """As transformers saves Mistral 3.1 where the wrapper ties the head: none is in the file."""
    towers = {"vision_tower.ln_pre.weight": torch.ones(2), "multi_modal_projector.norm.weight": torch.ones(2)}
    return {f"language_model.{n}": t for n, t in hub.items() if n != "lm_head.weight"} | towers


MISTRAL_3 = {
    "architectures": ["Mistral3ForConditionalGeneration"],
    "model_type": "mistral3",
    "image_token_index": 70,
    "multimodal_projector_bias": False,
    "projector_hidden_act": "gelu",
    "spatial_merge_size": 2,
    "vision_feature_layer": -1,
    "tie_word_embeddings": True,
    "vision_config": {"model_type": "pixtral", "hidden_size": 8},
}
MISTRAL_IN_3 = MISTRAL | {"sliding_window": None, "tie_word_embeddings": True}

CASES = {
    "meta_npz": Case(BASE, dtype="float16", layout=meta_layout, stored=META, npz=True, mlx_lm="reads no npz"),
    "meta_npz_quantized": Case(
        MISTRAL | {"intermediate_size": 128, "sliding_window": 8},
        dtype="float16",
        layout=meta_layout,
        stored=META_MISTRAL,
        npz=True,
        quantize={"group_size": 64, "bits": 4},
        mlx_lm="reads no npz",
    ),
    "plain": Case(BASE, sees=[{"rope_theta": 500000.0}]),
    "tied_bias": Case(BASE | TIED | {"attention_bias": True, "mlp_bias": True, "intermediate_size": 80}),
    "head_dim": Case(BASE | TIED | {"head_dim": 32}, dtype="bfloat16"),
    "bf16": Case(BASE | {"torch_dtype": "bfloat16"}, dtype="bfloat16"),
    "f16": Case(BASE | {"torch_dtype": "float16"}, dtype="float16"),
    "rope_linear": Case(
        BASE | {"rope_scaling": {"type": "linear", "factor": 4.0}}, dtype="bfloat16", sees=NO_SCALING
    ),
    "rope_dynamic": Case(
        BASE | {"max_position_embeddings": 16, "rope_scaling": {"type": "dynamic", "factor": 4.0}},
        dtype="bfloat16",
        sees=NO_SCALING,
        length_matters=True,
    ),
    "rope_llama3": Case(
        BASE | LLAMA3_HEADS | {"rope_scaling": LLAMA3},
        dtype="bfloat16",
        sees=[*NO_SCALING, {"rope_scaling": LLAMA3 | {"low_freq_factor": 1.5}}],
    ),
    "rope_llama3_new_form": Case(
        LLAMA3_NEW,
        dtype="bfloat16",
        sees=[{"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}],
        weights="rope_llama3",
        mlx_lm="does not read rope_parameters",
    ),
    "inv_freq_buffers": Case(BASE, dtype="float16", extra=inv_freq_buffers),
    "sharded": Case(BASE, dtype="bfloat16", shards=2),
    "mistral_window": Case(
        MISTRAL | {"sliding_window": 8},
        dtype="bfloat16",
        sees=[{"sliding_window": None}, {"sliding_window": 7}, {"sliding_window": 9}],
        mlx_lm="ignores the window",
    ),
    "mistral_no_window": Case(MISTRAL | {"sliding_window": None}, dtype="bfloat16", sees=[{"sliding_window": 8}]),
    "mistral3_wrapped": Case(
        MISTRAL_3 | {"text_config": MISTRAL_IN_3},
        stored=MISTRAL_3 | {"text_config": MISTRAL_IN_3 | {"tie_word_embeddings": False}},
        dtype="bfloat16",
        layout=among_towers,
        mlx_lm="is not asked",
    ),
    "quantized_2bit": Case(WIDE | TIED, dtype="float32", quantize=affine(2)),
    "quantized_3bit": Case(WIDE, dtype="float16", quantize=affine(3)),
    "quantized_4bit": Case(WIDE | TIED, dtype="bfloat16", quantize=affine(4)),
    "quantized_5bit": Case(WIDE, dtype="float32", quantize=affine(5)),
    "quantized_6bit": Case(WIDE | TIED, dtype="bfloat16", quantize=affine(6)),
    "quantized_8bit": Case(WIDE, dtype="float16", quantize=affine(8)),
    "quantized_group_32": Case(
        BASE | {"intermediate_size": 96, "attention_bias": True}, dtype="float16", quantize=affine(4, 32)
    ),
    "quantized_group_128": Case(
        WIDE | TIED | {"hidden_size": 128, "intermediate_size": 256}, dtype="bfloat16", quantize=affine(4, 128)
    ),
    # down_proj of layer 1 has 96 inputs, which no group of 64 divides, so it is dense without being named.
    "quantized_mixed": Case(
        BASE | {"intermediate_size": 96},
        dtype="bfloat16",
        quantize=affine(4, **MIXED),
        untouched=("model.layers.1.mlp.down_proj",),
    ),
    "adapters": Case(BASE | {"attention_bias": True}, dtype="bfloat16", adapters=ADAPTERS | PEFT),
    "adapters_quantized": Case(
        WIDE | {"attention_bias": True}, dtype="bfloat16", quantize=affine(4), adapters=ADAPTERS
    ),
}

main("llama", CASES)
