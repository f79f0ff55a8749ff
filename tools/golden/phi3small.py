"""Goldens of Phi-3-small, which transformers has no class for: `python tools/golden/phi3small.py [case…]`.

The reference below computes in plain torch what the remote code of microsoft/Phi-3-small-128k-instruct does
(modeling_phi3_small.py, positional_embedding.py, triton_flash_blocksparse_attn.py), whose kernels need a GPU. mlx-lm is
asked too where both mean the same: token by token, since it lets rows of a prompt's sparse layers see what follows
them, in blocks of 32, stripes a block apart from head to head, no rope_scaling.
"""

import math
import shutil
import sys
from importlib.metadata import version

import mlx.core as mx
import mlx_lm.utils
import numpy as np
import torch
from common import (CONTINUATION, LENGTH, ROOT, affine, clear, distance, random_for, random_tensor, write_json)
from mlx_lm.models.cache import make_prompt_cache
from safetensors.torch import save_file

REFERENCE = f"plain torch {version('torch').split('+')[0]} after microsoft/Phi-3-small-128k-instruct's code, float32"

BASE = {
    "model_type": "phi3small",
    "architectures": ["Phi3SmallForCausalLM"],
    "vocab_size": 80,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "hidden_act": "gegelu",
    "gegelu_limit": 0.8,
    "gegelu_pad_to_256": True,
    "ff_dim_multiplier": None,
    "ff_intermediate_size": 64,
    "layer_norm_epsilon": 0.01,
    "attention_bias": False,
    "attention_dropout_prob": 0.0,
    "embedding_dropout_prob": 0.1,
    "ffn_dropout_prob": 0.1,
    "dense_attention_every_n_layers": 2,
    "blocksparse_homo_head_pattern": False,
    "blocksparse_block_size": 4,
    "blocksparse_num_local_blocks": 2,
    "blocksparse_vert_stride": 3,
    "blocksparse_triton_kernel_block_size": 64,
    "mup_attn_multiplier": 1.5,
    "mup_embedding_multiplier": 1.5,
    "mup_use_scaling": True,
    "mup_width_multiplier": 4.0,
    "rope_embedding_base": 10000,
    "rope_position_scale": 1.0,
    "pad_sequence_to_multiple_of_64": True,
    "reorder_and_upcast_attn": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "bfloat16",
}
# Three layers of three kinds of pattern: the third dense, stripes the same in every head; no muP in attention.
THIRD = BASE | {
    "num_hidden_layers": 3,
    "dense_attention_every_n_layers": 3,
    "blocksparse_homo_head_pattern": True,
    "mup_use_scaling": False,
    "mup_embedding_multiplier": None,
    "mup_width_multiplier": None,
    "rope_position_scale": 0.5,
    "tie_word_embeddings": False,
}
# No dense layer, and so few heads that their stripes lie two blocks apart.
LONGROPE = BASE | {
    "num_hidden_layers": 2,
    "dense_attention_every_n_layers": None,
    "blocksparse_vert_stride": 8,
    "blocksparse_block_size": 2,
    "rope_scaling": {
        "type": "su",
        "short_factor": [1.0, 1.1, 1.3, 1.7],
        "long_factor": [1.5, 2.0, 3.0, 4.5],
        "original_max_position_embeddings": 64,
    },
}
LONG = LONGROPE["rope_scaling"] | {"original_max_position_embeddings": 16}


def scaled(**changes):
    return {"rope_scaling": LONG | changes}


# name: config, how it is quantized, mistakes that must show
CASES = {
    "blocksparse": (BASE, None, [{"blocksparse_num_local_blocks": 3}, {"blocksparse_vert_stride": 4}, {"gegelu_limit": 20.0}]),
    "every_third": (THIRD, None, [{"dense_attention_every_n_layers": 2}, {"rope_position_scale": 1.0}]),
    "longrope_short": (LONGROPE, None, [{"rope_scaling": None}, {"blocksparse_homo_head_pattern": True}]),
    "longrope_long": (LONGROPE | {"ff_intermediate_size": None, "ff_dim_multiplier": 2, "gegelu_pad_to_256": False} | scaled(), None, [scaled(long_mscale=1.0)]),
    "longrope_mscale": (LONGROPE | scaled(long_mscale=1.3, short_mscale=1.1), None, [scaled()]),
    "quantized_4bit": (BASE | {"hidden_size": 64, "num_hidden_layers": 2}, affine(), []),
}


def inner_size(config):
    if config["ff_intermediate_size"] is not None:
        return config["ff_intermediate_size"]
    size = config["ff_dim_multiplier"] * (config["hidden_size"] // 3) * 2
    return (size + 255) // 256 * 256 if config["gegelu_pad_to_256"] else size


def shapes(config):
    width, inner = config["hidden_size"], inner_size(config)
    size = width // config["num_attention_heads"]
    out = {"model.embed_tokens.weight": (config["vocab_size"], width)}
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."
        linears = {
            "self_attn.query_key_value": (width + 2 * config["num_key_value_heads"] * size, width),
            "self_attn.dense": (width, width),
            "mlp.up_proj": (2 * inner, width),
            "mlp.down_proj": (width, inner),
        }
        for name, shape in linears.items():
            out |= {f"{at}{name}.weight": shape, f"{at}{name}.bias": shape[:1]}
        for name in ("input_layernorm", "post_attention_layernorm"):
            out |= {f"{at}{name}.weight": (width,), f"{at}{name}.bias": (width,)}
    out |= {"model.final_layernorm.weight": (width,), "model.final_layernorm.bias": (width,)}
    if not config.get("tie_word_embeddings", True):
        out["lm_head.weight"] = (config["vocab_size"], width)
    return out


def rotations(config, length):
    """Cosines and sines [length, C]."""
    size = config["hidden_size"] // config["num_attention_heads"]
    waves = config["rope_embedding_base"] ** (torch.arange(0, size, 2).float() / size)
    scaling, scale = config.get("rope_scaling"), 1.0
    positions = torch.arange(length).float()
    if not scaling:
        angles = torch.outer(positions * config["rope_position_scale"], 1.0 / waves)
    else:
        original = scaling["original_max_position_embeddings"]
        far = length > original
        factors = torch.tensor(scaling["long_factor" if far else "short_factor"])
        scale = scaling.get("long_mscale" if far else "short_mscale", -1)
        if scale <= 0:
            growth = config["max_position_embeddings"] / original
            scale = math.sqrt(1 + math.log(growth) / math.log(original)) if far and growth > 1 else 1.0
        angles = torch.outer(positions, 1.0 / (factors * waves))
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos() * scale, angles.sin() * scale


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


def visible(config, layer, length):
    """[H, length, length]: what a row of each head sees."""
    heads, stride = config["num_attention_heads"], config["blocksparse_vert_stride"]
    causal = torch.ones(length, length).tril().bool().expand(heads, -1, -1)
    every = config["dense_attention_every_n_layers"]
    if every and (layer + 1) % every == 0:
        return causal
    blocks = torch.arange(length) // config["blocksparse_block_size"]
    local = blocks[:, None] - blocks[None] < config["blocksparse_num_local_blocks"]
    step = 0 if config["blocksparse_homo_head_pattern"] else max(1, int(stride / heads))
    stripes = (blocks[None] + torch.arange(heads)[:, None] * step + 1) % stride == 0
    return causal & (local | stripes[:, None])


def forward(config, w, tokens):
    """Logits [L, V] and every block's output [layers, L, D]."""
    eps, heads, kv_heads = config["layer_norm_epsilon"], config["num_attention_heads"], config["num_key_value_heads"]
    length, size, group = len(tokens), config["hidden_size"] // heads, heads // kv_heads
    scale = config["mup_attn_multiplier"] / size if config["mup_use_scaling"] else size**-0.5

    def norm(at, x):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], w[at + ".weight"], w[at + ".bias"], eps)

    def linear(at, x):
        return x @ w[at + ".weight"].T + w[at + ".bias"]

    x = w["model.embed_tokens.weight"][torch.tensor([int(t) for t in tokens])]
    if config["mup_embedding_multiplier"]:
        x = x * config["mup_embedding_multiplier"]
    cos, sin = rotations(config, length)
    layers = []
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."
        mixed = linear(at + "self_attn.query_key_value", norm(at + "input_layernorm", x))
        mixed = mixed.view(length, kv_heads, group + 2, size)
        q = rotate(mixed[:, :, :-2].reshape(length, heads, size).transpose(0, 1), cos, sin)
        k = rotate(mixed[:, :, -2].transpose(0, 1), cos, sin).repeat_interleave(group, 0)
        v = mixed[:, :, -1].transpose(0, 1).repeat_interleave(group, 0)
        scores = (q @ k.transpose(1, 2) * scale).masked_fill(~visible(config, i, length), -torch.inf)
        attended = (scores.softmax(-1) @ v).transpose(0, 1).reshape(length, -1)
        x = x + linear(at + "self_attn.dense", attended)
        both, limit = linear(at + "mlp.up_proj", norm(at + "post_attention_layernorm", x)), config["gegelu_limit"]
        gate, up = both[:, ::2].clamp(max=limit), both[:, 1::2].clamp(-limit, limit)
        x = x + linear(at + "mlp.down_proj", gate * torch.sigmoid(1.702 * gate) * (up + 1))
        layers.append(x)
    logits = norm("model.final_layernorm", x) @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T
    if config["mup_width_multiplier"]:
        logits = logits / config["mup_width_multiplier"]
    return logits, torch.stack(layers)


def check_mlx_lm(seed):
    """What both mean the same by, in float32."""
    config = BASE | {"blocksparse_block_size": 32, "blocksparse_num_local_blocks": 1, "blocksparse_vert_stride": 4}
    weights = {n: torch.from_numpy(random_tensor(n, s, seed)) for n, s in shapes(config).items()}
    model_class, args_class = mlx_lm.utils._get_classes(config)
    model = model_class(args_class.from_dict(config))
    model._dummy_tokenizer_ids = mx.array([0])
    model.load_weights([(n, mx.array(t.numpy())) for n, t in weights.items()])
    tokens = random_for(seed).integers(0, config["vocab_size"], 150)
    cache = make_prompt_cache(model)
    theirs = torch.from_numpy(np.concatenate([np.array(model(mx.array([[t]]), cache=cache)[0]) for t in map(int, tokens)]))
    ours = forward(config, weights, tokens)[0]
    apart = distance(ours[:, 1:], theirs[:, 1:])
    assert apart < 1e-4, apart
    return apart


def golden(config, weights, seed):
    for attempt in range(200):
        tokens = random_for(seed, f"prompt {attempt}").integers(0, config["vocab_size"], LENGTH)
        sequence, rows = list(map(int, tokens)), []
        for _ in range(CONTINUATION):
            rows.append(forward(config, weights, sequence)[0][-1])
            sequence.append(int(rows[-1].argmax()))
        if clear(torch.stack(rows)):
            break
    else:
        raise SystemExit(f"{seed}: no prompt with a safe continuation")
    logits, layers = forward(config, weights, tokens)
    greedy = torch.tensor(sequence[LENGTH:], dtype=torch.int32)
    return {"tokens": torch.tensor(tokens, dtype=torch.int32), "logits": logits, "layers": layers, "greedy": greedy}


def write(case, config, quantization, mistakes):
    seed, folder = f"phi3small/{case}", ROOT / "phi3small" / case
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files, weights = {}, {}
    for name, shape in shapes(config).items():
        array = mx.array(random_tensor(name, shape, seed)).astype(mx.bfloat16)
        module = name.removesuffix(".weight")
        if quantization and len(shape) == 2:
            how = {k: quantization[k] for k in ("group_size", "bits")}
            files[name], files[f"{module}.scales"], files[f"{module}.biases"] = parts = mx.quantize(array, **how)
            array = mx.dequantize(parts[0], *(p.astype(mx.float32) for p in parts[1:]), **how)
        else:
            files[name] = array
        weights[name] = torch.from_numpy(np.array(array.astype(mx.float32)))
    mx.save_safetensors(str(folder / "model.safetensors"), files, {"format": "mlx"})
    write_json(folder / "config.json", config | ({"quantization": quantization} if quantization else {}))
    expected = golden(config, weights, seed)
    save_file({n: t.contiguous() for n, t in expected.items()}, folder / "golden.safetensors", {"reference": REFERENCE})
    seen = [distance(forward(config | m, weights, expected["tokens"])[0], expected["logits"]) for m in [{"layer_norm_epsilon": 1e-6}, *mistakes]]
    assert all(s > 0.02 for s in seen), seen
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"phi3small/{case}: {size / 1000:.0f} kB; mistakes show as {' '.join(f'{s:.2g}' for s in seen)}")


print(f"mlx-lm {check_mlx_lm('phi3small/mlx_lm'):.0e}")
for name in sys.argv[1:] or CASES:
    write(name, *CASES[name])
