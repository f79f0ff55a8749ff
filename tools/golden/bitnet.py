"""Goldens of BitNet b1.58: `python tools/golden/bitnet.py [case…]`.

The reference computes with the ternary weights in float32, without rounding activations."""

import torch
from common import Case, main, new_form, tiny

BASE = tiny("bitnet", hidden_act="relu2", tie_word_embeddings=True)
PACKED = {"linear_class": "autobitlinear", "modules_to_not_convert": None, "quant_method": "bitnet", "quantization_mode": "offline"}
DIVIDED = {"modules_to_not_convert": None, "quant_method": "bitnet"}
WHY = "needs Metal for it"


def draw(name, shape, rng):
    """Weights of -1, 0 and 1 times a scale that float16 and bfloat16 have exactly."""
    return (rng.integers(-1, 2, shape)) * 0.25 if "_proj.weight" in name else None


def packed(scale):
    """Four rows share a row of bytes: row r is bits 2 (r // rows) of row r mod rows."""

    def layout(hub):
        out = {}
        for name, tensor in hub.items():
            if "_proj.weight" not in name:
                out[name] = tensor
                continue
            codes = (tensor / 0.25 + 1).round().to(torch.uint8)
            quarters = codes.reshape(4, -1, codes.shape[1])
            out[name] = sum(quarters[i] << 2 * i for i in range(4)).to(torch.uint8)
            out[name + "_scale"] = torch.tensor([scale])
        return out

    return layout


CASES = {
    "dense": Case(BASE, dtype="bfloat16", mlx_lm=WHY),
    "packed": Case(BASE, layout=packed(0.25), stored=BASE | {"quantization_config": PACKED}, mlx_lm=WHY),
    "divided": Case(
        new_form(BASE),
        layout=packed(4.0),
        stored=new_form(BASE) | {"quantization_config": DIVIDED},
        mlx_lm=WHY,
    ),
}

main("bitnet", CASES, draw)
