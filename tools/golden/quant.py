"""Writes tests/golden/quant/*.safetensors: what MLX's CPU backend makes of weights, and of codes.

    pip install "mlx[cpu]"
    python tools/golden/quant.py

affine.safetensors   `weights` float32, and for each bits b and group g `b<b>g<g>.weight/.scales/.biases` from
                     mx.quantize and `.decoded` from mx.dequantize; `half.*` and `brain.*` the same for float16 and
                     bfloat16 weights at 4 bits, decoded with their scales raised to float32.
fp.safetensors       for mxfp4, mxfp8, nvfp4: `<mode>.weight/.scales`, random codes under all kinds of scales, and
                     `.decoded` from mx.dequantize in float32; `<mode>.quantized.*` from mx.quantize of `weights`.
"""

from importlib.metadata import version
from pathlib import Path

import mlx.core as mx
import numpy as np

HOME = Path(__file__).resolve().parents[2] / "tests/golden/quant"
mx.set_default_device(mx.cpu)
rng = np.random.default_rng(3)


def weights():
    """Two rows of 256; the second has a difficult group of 32 after the other."""
    w = rng.standard_normal((2, 256)).astype(np.float32)
    hard = w[1].reshape(8, 32)
    hard[0] = 0
    hard[1] = -np.abs(hard[1]) - 1  # all negative
    hard[2] = 0.3  # all equal
    hard[3] *= 1e-9  # below the smallest step
    hard[4] *= 1e30
    hard[5, 0], hard[5, 1] = 4, -4  # the edges tie
    hard[6] = np.arange(32) / 2 - 3.75  # codes halfway between integers
    hard[7] = np.abs(hard[7]) * 1e-3
    hard[7, 5] = -0.0
    return w


def parts(name, quantized, decoded):
    keys = ("weight", "scales", "biases")
    return {f"{name}.{k}": v for k, v in zip(keys, quantized)} | {f"{name}.decoded": decoded}


def affine(w):
    out = {}
    for bits in (2, 3, 4, 5, 6, 8):
        for group in (32, 64, 128):
            quantized = mx.quantize(mx.array(w), group_size=group, bits=bits)
            out |= parts(f"b{bits}g{group}", quantized, mx.dequantize(*quantized, group_size=group, bits=bits))
    for name, dtype in (("half", mx.float16), ("brain", mx.bfloat16)):
        small = np.clip(w, -100, 100)
        quantized = mx.quantize(mx.array(small).astype(dtype), group_size=64, bits=4)
        raised = [quantized[0]] + [q.astype(mx.float32) for q in quantized[1:]]
        out |= parts(name, quantized, mx.dequantize(*raised, group_size=64, bits=4))
    return out


def fp(w):
    out = {}
    for mode, group, bits in (("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)):
        scales = np.concatenate([[0, 1, 2, 63, 64, 118, 126, 127, 128, 136, 192, 253, 254, 255], rng.integers(0, 256, 18)])
        codes = rng.integers(0, 256, len(scales) * group * bits // 8).astype(np.uint8)
        codes[:256] = np.arange(256)[rng.permutation(256)]
        packed = mx.array(codes.view(np.uint32)[None]), mx.array(scales.astype(np.uint8)[None])
        how = dict(group_size=group, bits=bits, mode=mode, dtype=mx.float32)
        out |= parts(mode, packed, mx.dequantize(*packed, **how))
        quantized = mx.quantize(mx.array(np.clip(w, -100, 100)), group_size=group, bits=bits, mode=mode)
        out |= parts(f"{mode}.quantized", quantized, mx.dequantize(*quantized, **how))
    return out


def write(name, arrays):
    reference = {"reference": f"mlx {version('mlx')}, CPU"}
    mx.save_safetensors(str(HOME / name), {k: mx.array(v) for k, v in arrays.items()}, reference)


HOME.mkdir(parents=True, exist_ok=True)
w = weights()
write("affine.safetensors", {"weights": w} | affine(w))
write("fp.safetensors", {"weights": w} | fp(w))
