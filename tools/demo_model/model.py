"""A small Llama in PyTorch whose matrices can be trained as MLX's 4-bit affine codes.

Shapes: B batch, L positions, D width, H query heads, K key-value heads, C head size, V vocabulary, G group size.
Parameter names are those of Hugging Face's LlamaForCausalLM, so that exporting needs no renaming.
"""

import torch
import torch.nn.functional as F
from torch import nn

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "head_dim": 64,
    "hidden_act": "silu",
    "hidden_size": 256,
    "initializer_range": 0.02,
    "intermediate_size": 768,
    "max_position_embeddings": 1024,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 6,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "use_cache": True,
    "vocab_size": 4096,
}
GROUP_SIZE, BITS = 64, 4


def quantize(weight, stored=torch.float16):
    """MLX's affine rule in float32. weight [rows, columns] -> codes [rows, columns/G, G], scale and bias [rows, columns/G, 1].

    The scale's sign and the bias make the edge of larger magnitude exact; zero is representable. Codes are computed
    with unrounded scale and bias; those returned are rounded to the type in which they are stored.
    """
    groups = weight.reshape(weight.shape[0], -1, GROUP_SIZE)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    levels = 2**BITS - 1
    step = ((high - low) / levels).clamp_min(1e-7)
    negative_edge = low.abs() > high.abs()
    step = torch.where(negative_edge, step, -step)
    edge = torch.where(negative_edge, low, high)
    zero_code = torch.round(edge / step)
    scale = torch.where(zero_code == 0, step, edge / torch.where(zero_code == 0, 1.0, zero_code))
    bias = torch.where(zero_code == 0, 0.0, edge)
    codes = torch.round((groups - bias) / scale).clamp(0, levels)
    return codes, scale.to(stored).float(), bias.to(stored).float()


def rounded(weight, stored=torch.float16):
    """The weight as the 4-bit file will hold it; gradients pass straight through."""
    with torch.no_grad():
        codes, scale, bias = quantize(weight, stored)
        delta = (codes * scale + bias).reshape(weight.shape) - weight
    return weight + delta


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, CONFIG["rms_norm_eps"])


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.size = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        width = c["hidden_size"]
        self.q_proj = nn.Linear(width, self.heads * self.size, bias=False)
        self.k_proj = nn.Linear(width, self.kv_heads * self.size, bias=False)
        self.v_proj = nn.Linear(width, self.kv_heads * self.size, bias=False)
        self.o_proj = nn.Linear(self.heads * self.size, width, bias=False)

    def forward(self, x, cos, sin, w):
        batch, length, _ = x.shape
        q = F.linear(x, w(self.q_proj.weight)).view(batch, length, self.heads, self.size).transpose(1, 2)
        k = F.linear(x, w(self.k_proj.weight)).view(batch, length, self.kv_heads, self.size).transpose(1, 2)
        v = F.linear(x, w(self.v_proj.weight)).view(batch, length, self.kv_heads, self.size).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return F.linear(out.transpose(1, 2).reshape(batch, length, -1), w(self.o_proj.weight))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.up_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(c["intermediate_size"], c["hidden_size"], bias=False)

    def forward(self, x, w):
        gate = F.silu(F.linear(x, w(self.gate_proj.weight)))
        return F.linear(gate * F.linear(x, w(self.up_proj.weight)), w(self.down_proj.weight))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(c["hidden_size"]), RMSNorm(c["hidden_size"])
        self.self_attn, self.mlp = Attention(c), MLP(c)

    def forward(self, x, cos, sin, w, drop):
        x = x + F.dropout(self.self_attn(self.input_layernorm(x), cos, sin, w), drop, self.training)
        return x + F.dropout(self.mlp(self.post_attention_layernorm(x), w), drop, self.training)


class Inner(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"])


class Llama(nn.Module):
    def __init__(self, c=CONFIG):
        super().__init__()
        self.model = Inner(c)
        self.quantized, self.stored, self.drop = False, torch.float16, 0.0
        angles = c["rope_theta"] ** (-torch.arange(0, c["head_dim"], 2, dtype=torch.float64) / c["head_dim"])
        angles = torch.outer(torch.arange(c["max_position_embeddings"], dtype=torch.float64), angles)
        self.register_buffer("cos", torch.cat([angles.cos()] * 2, -1).float(), persistent=False)
        self.register_buffer("sin", torch.cat([angles.sin()] * 2, -1).float(), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                deep = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * c["num_hidden_layers"]) ** 0.5 if deep else 0.02)

    def forward(self, ids, rows=None):
        """ids [B, L] -> logits [B, L, V], or [n, V] for the n flat positions in rows."""
        w = (lambda x: rounded(x, self.stored)) if self.quantized else (lambda x: x)
        embedding = w(self.model.embed_tokens.weight)
        x = F.embedding(ids, embedding)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for layer in self.model.layers:
            x = layer(x, cos, sin, w, self.drop)
        x = self.model.norm(x)
        if rows is not None:
            x = x.reshape(-1, x.shape[-1])[rows]
        return F.linear(x, embedding)


def rotate(x, cos, sin):
    """Rotary positions, halves convention. x [B, H, L, C]."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


@torch.no_grad()
def generate(model, prompts, end_ids, limit=96):
    """Greedy answers to a list of id lists, recomputed from the start at every token: slow, plain, exact."""
    answers = [[] for _ in prompts]
    live = list(range(len(prompts)))
    for _ in range(limit):
        if not live:
            break
        rows = [prompts[i] + answers[i] for i in live]
        length = max(map(len, rows))
        ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
        last = torch.tensor([n * length + len(row) - 1 for n, row in enumerate(rows)])
        tokens = model(ids, last).argmax(-1).tolist()
        for i, token in zip(list(live), tokens):
            answers[i].append(token)
            if token in end_ids:
                live.remove(i)
    return answers
