"""Goldens of Phixtral, which transformers does not have: mlx-lm is the reference. `python tools/golden/phixtral.py`."""

import shutil

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import torch
from common import CONTINUATION, LENGTH, ROOT, clear, random_for, random_tensor, write_json
from importlib.metadata import version
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models.phixtral import Model, ModelArgs
from safetensors.torch import save_file

CONFIG = {
    "model_type": "phixtral",
    "num_vocab": 80,
    "model_dim": 32,
    "num_heads": 4,
    "num_layers": 2,
    "rotary_dim": 4,
    "num_experts_per_tok": 2,
    "num_local_experts": 3,
}
# The same sizes as the first upload spells them.
UPLOADED = {
    "model_type": "phi-msft",
    "vocab_size": 80,
    "n_embd": 32,
    "n_head": 4,
    "n_layer": 2,
    "n_inner": None,
    "n_positions": 128,
    "rotary_dim": 4,
    "layer_norm_epsilon": 1e-05,
    "activation_function": "gelu_new",
    "num_experts_per_tok": 2,
    "num_local_experts": 3,
}


def random_model(seed):
    model = Model(ModelArgs.from_dict(CONFIG))
    named = {n: tuple(p.shape) for n, p in tree_flatten(model.parameters())}
    renamed = {n: n.replace(".ln.", ".norm.").replace("wte", "embed_tokens") for n in named}
    arrays = [(n, mx.array(random_tensor(renamed[n], s, seed)).astype(mx.bfloat16)) for n, s in named.items()]
    model.update(tree_unflatten(arrays))
    return model


def whole_pass(model, tokens):
    """Logits and every block's output."""
    x = model.transformer.embd(mx.array(tokens)[None])
    mask = nn.MultiHeadAttention.create_additive_causal_mask(len(tokens)).astype(x.dtype)
    layers = []
    for layer in model.transformer.h:
        x = layer(x, mask, None)
        layers.append(np.array(x))
    return torch.from_numpy(np.array(model.lm_head(x)[0])), torch.from_numpy(np.concatenate(layers))


def golden(model, seed):
    for attempt in range(200):
        tokens = random_for(seed, f"prompt {attempt}").integers(0, CONFIG["num_vocab"], LENGTH)
        sequence, rows = list(map(int, tokens)), []
        for _ in range(CONTINUATION):
            rows.append(whole_pass(model, sequence)[0][-1])
            sequence.append(int(rows[-1].argmax()))
        if clear(torch.stack(rows)):
            break
    else:
        raise SystemExit(f"{seed}: no prompt with a safe continuation")
    logits, layers = whole_pass(model, list(map(int, tokens)))
    greedy = torch.tensor(sequence[LENGTH:], dtype=torch.int32)
    return {"tokens": torch.tensor(tokens, dtype=torch.int32), "logits": logits, "layers": layers, "greedy": greedy}


def unstacked(arrays):
    """Experts one by one."""
    out = {}
    for name, value in arrays.items():
        if ".switch_mlp." in name:
            for e in range(value.shape[0]):
                out[name.replace(".switch_mlp.", f".mlp.{e}.")] = value[e]
        else:
            out[name] = value
    return out


def write(case, config, layout=None, bits=None):
    seed, folder = f"phixtral/{case}", ROOT / "phixtral" / case
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = random_model(seed)
    if bits:
        nn.quantize(model, group_size=32, bits=bits)
        config = config | {"quantization": {"group_size": 32, "bits": bits}}
    arrays = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), layout(arrays) if layout else arrays, {"format": "mlx"})
    write_json(folder / "config.json", config)
    model.set_dtype(mx.float32)
    expected = golden(model, seed)
    metadata = {"reference": f"mlx-lm {version('mlx-lm')}, mlx {version('mlx')}, float32, CPU"}
    save_file({n: t.contiguous() for n, t in expected.items()}, folder / "golden.safetensors", metadata)
    print(f"phixtral/{case}: written")


write("mlx", CONFIG)
write("uploaded", UPLOADED, unstacked)
write("quantized_4bit", CONFIG, bits=4)
