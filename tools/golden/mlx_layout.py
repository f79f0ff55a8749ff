"""Writes mlx_layout.txt beside the goldens' checkpoints: what mlx-lm's `sanitize` makes of their tensors.

    python tools/golden/mlx_layout.py [FAMILY…]

A line is a name, in which '#' stands for the number of a layer, its shape, and the layers that have it. Cases that are
quantized have none, nor those that mlx-lm cannot load: the script says why.
"""

import json
import re
import sys
from pathlib import Path

import mlx.core as mx
import mlx_lm.utils
import numpy as np
from common import ROOT, untagged


# What mlx-lm's classes require though published configs leave it out; names and shapes do not depend on it.
REQUIRED = {
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "partial_rotary_factor": 0.5,
    "rope_local_base_freq": 10000.0,
    "intermediate_size": 64,
    "attention_bias": False,
}
OLDER_LAYER_TYPES = {"linear_attention": "mamba", "full_attention": "attention"}


def completed(config):
    """The config as mlx-lm's classes read it."""
    mistral = config.get("model_type", "") in ("mistral3", "ministral3")  # the others choke on the newer form
    config = REQUIRED | {k: untagged(v) for k, v in config.items() if mistral or k != "rope_parameters"}
    if "text_config" in config:
        config["text_config"] = completed(config["text_config"])
    if config.get("model_type") == "granitemoehybrid":
        config["layer_types"] = [OLDER_LAYER_TYPES.get(t, t) for t in config["layer_types"]]
    return config


def sanitized_by(config, tensors):
    """What mlx-lm's class makes of the tensors. It knows the text model of Llama 4 in its wrapper only."""
    if config["model_type"] == "llama4_text":
        wrapped = {"model_type": "llama4", "text_config": config, "vision_config": {}}
        inner = sanitized_by(wrapped, {f"language_model.{n}": t for n, t in tensors.items()})
        return {n.removeprefix("language_model."): t for n, t in inner.items()}
    model_class, args_class = mlx_lm.utils._get_classes(config)
    model = model_class(args_class.from_dict(config))
    return model.sanitize(tensors) if hasattr(model, "sanitize") else tensors


def tensors_of(folder):
    found = {}
    for file in sorted(folder.glob("model*.safetensors")):
        found |= mx.load(str(file))
    for file in folder.glob("weights*.npz"):
        found |= {n: mx.array(a) for n, a in np.load(file).items()}
    return found


def lines_of(tensors):
    layers = {}
    for name, array in tensors.items():
        number = re.search(r"(?<=\.layers\.)\d+|(?<=\.h\.)\d+", name)
        key = name if number is None else name[: number.start()] + "#" + name[number.end() :]
        layers.setdefault((key, tuple(array.shape)), []).append(0 if number is None else int(number[0]))
    return [
        f"{name} {list(shape)}" + ("" if "#" not in name else " " + " ".join(map(str, sorted(numbers))))
        for (name, shape), numbers in sorted(layers.items())
    ]


def write(folder):
    config = json.loads((folder / "config.json").read_text())
    if "quantization" in config:
        return
    target = folder / "mlx_layout.txt"
    target.unlink(missing_ok=True)
    try:
        sanitized = sanitized_by(completed(config), tensors_of(folder))
    except Exception as problem:  # what mlx-lm does not know has no layout of its own
        return print(f"{folder.relative_to(ROOT)}: {type(problem).__name__}: {problem}")
    target.write_text("\n".join(lines_of(sanitized)) + "\n")


families = sys.argv[1:] or sorted(p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "broken")
for family in families:
    for config in sorted((ROOT / family).glob("*/config.json")):
        write(config.parent)
