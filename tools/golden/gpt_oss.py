"""Goldens of gpt-oss: `python tools/golden/gpt_oss.py [case…]`."""

import numpy as np
import torch
from common import Case, main, new_form, tiny

YARN = {
    "rope_type": "yarn",
    "factor": 2.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "original_max_position_embeddings": 64,
    "truncate": False,
}
BASE = tiny(
    "gpt_oss",
    num_hidden_layers=2,
    head_dim=16,
    num_local_experts=4,
    num_experts_per_tok=2,
    sliding_window=8,
    layer_types=["sliding_attention", "full_attention"],
    rope_theta=150000.0,
    rope_scaling=YARN,
    attention_bias=True,
    hidden_act="silu",
    swiglu_limit=1.5,
)
TRUNCATED = BASE | {"rope_scaling": YARN | {"truncate": True}}
UNPUBLISHED = "swiglu_limit is always 7 there"
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=np.float32)


def draw(name, shape, rng):
    if name.endswith("sinks"):
        return rng.normal(0.5, 1.5, shape)
    if name.endswith("_proj"):  # [experts, in, out]: each value one that MXFP4 has, in groups of 32 along `in`
        scales = 2.0 ** rng.integers(-6, -3, (shape[0], shape[1] // 32, 1, shape[2]))
        codes = E2M1[rng.integers(0, 16, (shape[0], shape[1] // 32, 32, shape[2]))]
        return (scales * codes).reshape(shape)
    return None


def blocks(hub):
    """Experts as published: MXFP4 codes of 32 along the input, low nibble first, and their exponents."""
    out = {}
    for name, value in hub.items():
        if not name.endswith("_proj"):
            out[name] = value
            continue
        groups = value.float().transpose(1, 2).reshape(*value.shape[:1], value.shape[2], -1, 32).numpy()
        peak = np.abs(groups).max(-1, keepdims=True)
        exponent = np.where(peak > 0, np.floor(np.log2(np.maximum(peak, 1e-30))) - 2, -10)
        wanted = groups / 2.0**exponent
        codes = np.abs(wanted[..., None] - E2M1).argmin(-1)
        assert np.array_equal(E2M1[codes], wanted), name
        packed = (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8)
        out[f"{name}_blocks"] = torch.from_numpy(packed)
        out[f"{name}_scales"] = torch.from_numpy((exponent[..., 0] + 127).astype(np.uint8))
    return out


def apart(hub):
    """Experts as MLX has them: [experts, out, in], gate and up apart."""
    out = {}
    for name, value in hub.items():
        module = name.removesuffix("_bias")
        last = ".bias" if name.endswith("_bias") else ".weight"
        if ".experts." not in name:
            out[name] = value
            continue
        rows = value if last == ".bias" else value.transpose(1, 2)
        if module.endswith("gate_up_proj"):
            out[module.replace("gate_up", "gate") + last] = rows[:, 0::2].contiguous()
            out[module.replace("gate_up", "up") + last] = rows[:, 1::2].contiguous()
        else:
            out[module + last] = rows.contiguous()
    return out


CASES = {
    "dense": Case(
        BASE,
        dtype="bfloat16",
        layout="hub",
        sees=[{"sliding_window": 9}, {"swiglu_limit": 7.0}, {"rope_scaling": YARN | {"truncate": True}}],
        mlx_lm=UNPUBLISHED,
    ),
    "new_form": Case(new_form(TRUNCATED | {"swiglu_limit": 7.0}), dtype="bfloat16", layout="hub", mlx_lm="does not read rope_parameters"),
    "mxfp4": Case(
        TRUNCATED | {"swiglu_limit": 7.0, "quantization_config": {"quant_method": "mxfp4"}},
        dtype="bfloat16",
        layout=blocks,
    ),
    "mlx": Case(TRUNCATED | {"swiglu_limit": 7.0}, dtype="bfloat16", layout=apart),
}

main("gpt_oss", CASES, draw)
