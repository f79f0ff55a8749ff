"""Models of every kind whose memory is predicted and measured: tools/bench/memory.py.

Memory does not depend on what weights say, as long as routers choose experts by token. So only embeddings and routers
are random, norms and other vectors are ones, and all else is a hole of the file, which reads as zeros: a model costs no
disk and no time, and occupies memory as any other.
"""

import json
import os
import struct
from pathlib import Path

from models import BF16, random_floats

SIZES = {"U32": 4, "U8": 1, BF16: 2}
END = {"bos_token_id": 1, "eos_token_id": 2}


class Tensors:
    """Collects what a model folder holds. bits: of matrices, 16 for bfloat16."""

    def __init__(self, bits=4):
        self.bits, self.entries = bits, []

    def add(self, name, kind, shape, fill=None):
        self.entries.append((name, kind, list(shape), fill))

    def ones(self, name, *shape):
        self.add(name, BF16, shape, "ones")

    def matrix(self, name, rows, columns, experts=0, bits=None, fill=None):
        bits, lead = bits or self.bits, [experts] if experts else []
        if bits == 16:
            return self.add(name + ".weight", BF16, [*lead, rows, columns], fill)
        self.add(name + ".weight", "U32", [*lead, rows, columns * bits // 32], fill)
        self.add(name + ".scales", BF16, [*lead, rows, columns // 64], "ones" if fill else None)
        self.add(name + ".biases", BF16, [*lead, rows, columns // 64], "middle" if fill else None)

    def ends(self, vocab, width, tied, embedding="model.embed_tokens", norm="model.norm"):
        self.matrix(embedding, vocab, width, fill="random")
        self.ones(norm + ".weight", width)
        if not tied:
            self.matrix("lm_head", vocab, width)

    def gated(self, at, width, inner, experts=0):
        for part, rows, columns in ("gate", inner, width), ("up", inner, width), ("down", width, inner):
            self.matrix(f"{at}.{part}_proj", rows, columns, experts)

    def attention(self, at, width, heads, kv_heads, head_dim, qk_norm=False, bias=False):
        for part, rows in ("q", heads * head_dim), ("k", kv_heads * head_dim), ("v", kv_heads * head_dim):
            self.matrix(f"{at}.{part}_proj", rows, width)
            if bias:
                self.add(f"{at}.{part}_proj.bias", BF16, [rows])
        self.matrix(f"{at}.o_proj", width, heads * head_dim)
        if bias:
            self.add(f"{at}.o_proj.bias", BF16, [width])
        if qk_norm:
            self.ones(f"{at}.q_norm.weight", head_dim)
            self.ones(f"{at}.k_norm.weight", head_dim)


def transformer(family, layers, width, heads, kv_heads, head_dim, inner, vocab, bits=4, experts=0, active=0, norms=(),
                tied=True, **more):
    """Llama's kind, and what others changed about it."""
    t = Tensors(bits)
    t.ends(vocab, width, tied)
    for i in range(layers):
        at = f"model.layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm", *norms):
            t.ones(f"{at}{norm}.weight", width)
        t.attention(at + "self_attn", width, heads, kv_heads, head_dim, qk_norm=family != "llama")
        if experts:
            t.gated(at + "mlp.switch_mlp", width, inner, experts)
            t.matrix(at + "mlp.gate", experts, width, bits=16, fill="random")
        else:
            t.gated(at + "mlp", width, inner)
    config = {"model_type": family, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
              "num_key_value_heads": kv_heads, "head_dim": head_dim, "intermediate_size": inner, "vocab_size": vocab,
              "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": tied}
    if experts:
        config |= {"num_experts": experts, "num_experts_per_tok": active, "moe_intermediate_size": inner,
                   "decoder_sparse_step": 1, "norm_topk_prob": True, "mlp_only_layers": []}
    return config | more, t


def gemma3(layers, width, heads, kv_heads, head_dim, inner, vocab):
    return transformer("gemma3_text", layers, width, heads, kv_heads, head_dim, inner, vocab,
                       norms=("pre_feedforward_layernorm", "post_feedforward_layernorm"),
                       hidden_activation="gelu_pytorch_tanh", query_pre_attn_scalar=head_dim, sliding_window=512,
                       sliding_window_pattern=6, rope_local_base_freq=1e4)


def deepseek(layers, width, heads, inner, vocab, experts, active, expert_inner):
    """Multi-head latent attention, first layer dense: DeepSeek-V2-Lite's sizes."""
    nope, rope, value, rank = 128, 64, 128, 512
    t = Tensors()
    t.ends(vocab, width, False)
    for i in range(layers):
        at = f"model.layers.{i}."
        t.ones(at + "input_layernorm.weight", width)
        t.ones(at + "post_attention_layernorm.weight", width)
        t.ones(at + "self_attn.kv_a_layernorm.weight", rank)
        t.matrix(at + "self_attn.q_proj", heads * (nope + rope), width)
        t.matrix(at + "self_attn.kv_a_proj_with_mqa", rank + rope, width)
        t.matrix(at + "self_attn.kv_b_proj", heads * (nope + value), rank)
        t.matrix(at + "self_attn.o_proj", width, heads * value)
        if i == 0:
            t.gated(at + "mlp", width, inner)
            continue
        t.gated(at + "mlp.switch_mlp", width, expert_inner, experts)
        t.gated(at + "mlp.shared_experts", width, 2 * expert_inner)
        t.matrix(at + "mlp.gate", experts, width, bits=16, fill="random")
    return {"model_type": "deepseek_v2", "hidden_size": width, "num_hidden_layers": layers, "vocab_size": vocab,
            "num_attention_heads": heads, "num_key_value_heads": heads, "intermediate_size": inner,
            "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1e4, "tie_word_embeddings": False,
            "kv_lora_rank": rank, "q_lora_rank": None, "qk_nope_head_dim": nope, "qk_rope_head_dim": rope,
            "v_head_dim": value, "moe_intermediate_size": expert_inner, "num_experts_per_tok": active,
            "n_routed_experts": experts, "n_shared_experts": 2, "first_k_dense_replace": 1, "moe_layer_freq": 1,
            "topk_method": "greedy", "scoring_func": "softmax", "norm_topk_prob": False, "n_group": None,
            "topk_group": None, "routed_scaling_factor": 1.0}, t


def ssm(t, at, width, inner, heads, state, norm=True):
    """Mamba-2's mixer with one group; returns nothing, as all of these."""
    channels = inner + 2 * state
    t.matrix(at + ".in_proj", inner + channels + heads, width)
    t.matrix(at + ".out_proj", width, inner)
    t.ones(at + ".conv1d.weight", channels, 4, 1)
    t.ones(at + ".conv1d.bias", channels)
    for name in ("A_log", "D", "dt_bias"):
        t.ones(f"{at}.{name}", heads)
    if norm:
        t.ones(at + ".norm.weight", inner)


def mamba2(layers, width, state, vocab):
    inner, t = 2 * width, Tensors()
    t.ends(vocab, width, True, "backbone.embeddings", "backbone.norm_f")
    for i in range(layers):
        t.ones(f"backbone.layers.{i}.norm.weight", width)
        ssm(t, f"backbone.layers.{i}.mixer", width, inner, inner // 64, state)
    return {"model_type": "mamba2", "hidden_size": width, "num_hidden_layers": layers, "vocab_size": vocab,
            "num_heads": inner // 64, "head_dim": 64, "state_size": state, "expand": 2, "conv_kernel": 4,
            "n_groups": 1, "use_bias": False, "use_conv_bias": True, "hidden_act": "silu", "layer_norm_epsilon": 1e-5,
            "time_step_limit": [0.0, 1e9], "chunk_size": 256, "tie_word_embeddings": True}, t


def granite_hybrid(layers, width, heads, kv_heads, inner, state, vocab):
    """Mamba-2 layers and, every fourth, attention."""
    t, ssm_inner = Tensors(), 2 * width
    kinds = ["attention" if i % 4 == 3 else "mamba" for i in range(layers)]
    t.ends(vocab, width, True)
    for i, kind in enumerate(kinds):
        at = f"model.layers.{i}."
        t.ones(at + "input_layernorm.weight", width)
        t.ones(at + "post_attention_layernorm.weight", width)
        t.gated(at + "mlp", width, inner)
        if kind == "attention":
            t.attention(at + "self_attn", width, heads, kv_heads, width // heads)
        else:
            ssm(t, at + "mamba", width, ssm_inner, ssm_inner // 64, state)
    return {"model_type": "granitemoehybrid", "vocab_size": vocab, "hidden_size": width, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
            "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1e4, "tie_word_embeddings": True,
            "shared_intermediate_size": inner, "layer_types": kinds, "attention_bias": False,
            "attention_multiplier": 0.1, "embedding_multiplier": 1.0, "residual_multiplier": 1.0,
            "logits_scaling": 1.0, "num_local_experts": 0, "num_experts_per_tok": 0, "position_embedding_type": "rope",
            "mamba_n_heads": ssm_inner // 64, "mamba_d_head": 64, "mamba_d_state": state, "mamba_d_conv": 4,
            "mamba_n_groups": 1, "mamba_expand": 2, "mamba_chunk_size": 256, "mamba_conv_bias": True,
            "mamba_proj_bias": False}, t


def gpt_oss(layers, width, heads, kv_heads, inner, vocab, experts, active):
    """As published: MXFP4 experts in blocks of 32, all else bfloat16."""
    t = Tensors(16)
    t.ends(vocab, width, False)
    for i in range(layers):
        at = f"model.layers.{i}."
        t.ones(at + "input_layernorm.weight", width)
        t.ones(at + "post_attention_layernorm.weight", width)
        t.attention(at + "self_attn", width, heads, kv_heads, 64, bias=True)
        t.ones(at + "self_attn.sinks", heads)
        t.matrix(at + "mlp.router", experts, width, fill="random")
        t.add(at + "mlp.router.bias", BF16, [experts])
        for part, rows, columns in ("gate_up", 2 * inner, width), ("down", width, inner):
            t.add(f"{at}mlp.experts.{part}_proj_blocks", "U8", [experts, rows, columns // 32, 16])
            t.add(f"{at}mlp.experts.{part}_proj_scales", "U8", [experts, rows, columns // 32])
            t.add(f"{at}mlp.experts.{part}_proj_bias", BF16, [experts, rows])
    return {"model_type": "gpt_oss", "vocab_size": vocab, "hidden_size": width, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
            "head_dim": 64, "max_position_embeddings": 40960, "rms_norm_eps": 1e-5, "rope_theta": 150000.0,
            "tie_word_embeddings": False, "num_local_experts": experts, "num_experts_per_tok": active,
            "sliding_window": 128, "attention_bias": True, "hidden_act": "silu", "swiglu_limit": 7.0,
            "layer_types": ["full_attention" if i % 2 else "sliding_attention" for i in range(layers)],
            "quantization_config": {"quant_method": "mxfp4"}}, t


MODELS = {
    "qwen3 0.6B": lambda: transformer("qwen3", 28, 1024, 16, 8, 128, 3072, 151936),
    "qwen3 0.6B bf16": lambda: transformer("qwen3", 28, 1024, 16, 8, 128, 3072, 151936, bits=16),
    "qwen3 1.7B": lambda: transformer("qwen3", 28, 2048, 16, 8, 128, 6144, 151936),
    "llama 135M": lambda: transformer("llama", 30, 576, 9, 3, 64, 1536, 49152),
    "llama, 4 wide layers": lambda: transformer("llama", 4, 4096, 32, 8, 128, 14336, 128256, tied=False),
    "qwen3_moe, 4 layers": lambda: transformer("qwen3_moe", 4, 2048, 32, 4, 128, 768, 151936, experts=128, active=8),
    "gemma3 1B": lambda: gemma3(26, 1152, 4, 1, 256, 6912, 262144),
    "llama 25M, 262k tokens": lambda: transformer("llama", 4, 256, 4, 4, 64, 1024, 262144, bits=16),
    "deepseek_v2, 4 layers": lambda: deepseek(4, 2048, 16, 10944, 102400, 64, 6, 1408),
    "mamba2 370M": lambda: mamba2(48, 1024, 128, 50304),
    "granitemoehybrid 350M": lambda: granite_hybrid(28, 1024, 16, 4, 2048, 128, 100352),
    "gpt_oss, 2 layers": lambda: gpt_oss(2, 2880, 64, 8, 2880, 65536, 32, 4),
}


def contents(fill, count):
    if fill == "bytes":
        return os.urandom(count)
    if fill == "random":
        return random_floats(count // 2, BF16)
    return struct.pack("<f", {"ones": 1.0, "middle": -7.5}[fill])[2:] * (count // 2)


def make(folder, name):
    """Writes MODELS[name] into its folder, which it returns, and the bytes of its tensors."""
    config, tensors = MODELS[name]()
    path = Path(folder) / "".join(c if c.isalnum() or c in ".-" else "_" for c in name)
    path.mkdir(parents=True, exist_ok=True)
    header, offset, filled = {}, 0, []
    for tensor, kind, shape, fill in tensors.entries:
        size = SIZES[kind]
        for n in shape:
            size *= n
        header[tensor] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + size]}
        if fill:
            filled.append((offset, size, "bytes" if fill == "random" and kind == "U32" else fill))
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        start = file.tell()
        for at, size, fill in filled:
            file.seek(start + at)
            file.write(contents(fill, size))
        file.truncate(start + offset)
    if tensors.bits < 16:
        config |= {"quantization": {"group_size": 64, "bits": tensors.bits}}
        config["quantization"] |= {name.removesuffix(".weight"): False for name, kind, shape, fill in tensors.entries
                                   if kind == BF16 and fill == "random" and name.endswith(".gate.weight")}
    (path / "config.json").write_text(json.dumps(config | END, indent=1))
    return path, offset
