"""Random variations of the goldens' models, each compared with a reference on the spot; nothing is kept.

    python tools/golden/vary.py FAMILY… [--count 20] [--seed 0] [--reference transformers|mlx-lm] [--pome build/release/bin/pome] [--keep FOLDER]

A variation takes a case of tools/golden/FAMILY.py and changes sizes, seeds, switches and the settings of rope. With
--reference transformers the folder is what `save_pretrained` writes (config and tensors); with mlx-lm it is what mlx-lm
saves, quantized or not. `pome logits` must then be within 1e-3 of the logits' standard deviation (3e-3 where weights
are quantized). What the reference refuses is counted, not compared. --keep leaves the folders that differ behind.
"""

import argparse
import copy
import importlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import common
import mlx.core as mx
import mlx.nn
import mlx_lm.utils
import numpy as np
import torch
from common import distance, hf_model, inner, load_file, logits_of, parameters_of, random_tensor, without, write_json
from mlx.utils import tree_flatten

SIZES = {
    "intermediate_size": [32, 48, 64, 96, 160],
    "moe_intermediate_size": [16, 32, 48],
    "shared_expert_intermediate_size": [32, 64],
    "vocab_size": [80, 97, 131, 256],
    "rms_norm_eps": [1e-6, 1e-5, 1e-3],
    "layer_norm_eps": [1e-6, 1e-5, 1e-3],
    "layer_norm_epsilon": [1e-5, 1e-3],
    "norm_epsilon": [1e-5, 1e-3],
    "norm_eps": [1e-5, 1e-3],
    "rope_theta": [500.0, 10000.0, 500000.0, 1e7],
    "max_position_embeddings": [16, 64, 128, 4096],
    "sliding_window": [1, 3, 8, 17, 64],
    "head_dim": [8, 16, 24, 32, 64],
    "num_experts_per_tok": [1, 2, 3],
    "kv_lora_rank": [16, 32, 48],
    "q_lora_rank": [16, 32, None],
    "partial_rotary_factor": [0.25, 0.5, 1.0],
    "bos_token_id": [1, None],
}
HEADS = [(4, 2), (4, 1), (4, 4), (6, 3), (8, 2), (2, 1)]
FACTORS = ("multiplier", "scale", "scaling_factor", "softcapping", "scaling", "scalar")
PAIRS = ("time_step_limit", "mlp_multipliers")
FIXED = ("use_cache", "is_encoder_decoder", "tie_encoder_decoder", "add_cross_attention", "output_hidden_states")


def rope_scaling(rng, head, kinds):
    """One of the published kinds; `head` is the number of rotated dimensions. mlx-lm reads fewer settings."""
    factor = rng.choice([1.5, 2.0, 4.0, 8.0, 32.0])
    original = rng.choice([16, 32, 64])
    yarn = {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}
    bands = {"low_freq_factor": 1.0, "high_freq_factor": rng.choice([2.0, 4.0])}
    if kinds == "mlx-lm":
        return rng.choice([None, {"type": "linear", "factor": factor}, {"rope_type": "llama3", "factor": factor, "original_max_position_embeddings": original} | bands, yarn])
    long = {"short_factor": [rng.uniform(1, 2) for _ in range(head // 2)], "long_factor": [rng.uniform(1, 8) for _ in range(head // 2)]}
    return rng.choice(
        [
            None,
            {"rope_type": "linear", "factor": factor},
            {"type": "linear", "factor": factor},
            {"rope_type": "dynamic", "factor": factor},
            {"rope_type": "llama3", "factor": factor, "original_max_position_embeddings": original} | bands,
            yarn,
            yarn | {"beta_fast": 16.0, "beta_slow": 2.0},
            yarn | {"attention_factor": 0.8},
            yarn | {"mscale": 1.0, "mscale_all_dim": rng.choice([0.7, 1.0])},
            yarn | {"truncate": False},
            {"rope_type": "longrope", "original_max_position_embeddings": original, "factor": factor} | long,
        ]
    )


def changed(config, rng, reference):
    """A variation of a flat config. What belongs together is changed together; mlx-lm heeds few switches."""
    config = copy.deepcopy(config)
    for key, values in SIZES.items():
        if config.get(key) is not None and rng.random() < 0.5:
            config[key] = rng.choice(values)
    if "num_key_value_heads" in config and rng.random() < 0.6:
        same = config["num_attention_heads"] == config["num_key_value_heads"]
        heads, groups = rng.choice(HEADS)
        config |= {"num_attention_heads": heads, "num_key_value_heads": heads if same else groups}
        if not config.get("head_dim"):
            config["hidden_size"] = heads * rng.choice([8, 16, 32])
    if config.get("head_dim") and rng.random() < 0.5:
        config["hidden_size"] = rng.choice([32, 64, 96])
    layers = config.get("num_hidden_layers", 2)
    if rng.random() < 0.4:
        config["num_hidden_layers"] = more = rng.randint(max(layers, 1), layers + 3)
        for key, value in list(config.items()):
            if isinstance(value, list) and len(value) == layers and layers > 1 and key not in PAIRS:
                config[key] = [*value, *[rng.choice(value) for _ in range(more - layers)]]
    for key, value in list(config.items()):
        if isinstance(value, bool) and key not in FIXED and reference == "transformers" and rng.random() < 0.15:
            config[key] = not value
        elif isinstance(value, float) and key.endswith(FACTORS) and rng.random() < 0.4:
            config[key] = value * rng.choice([0.5, 1.25, 2.0])
    if "rope_theta" in config and rng.random() < 0.6 and (reference == "transformers" or "rope_scaling" in config):
        head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        head = config.get("qk_rope_head_dim") or int(head * (config.get("partial_rotary_factor") or 1))
        config["rope_scaling"] = rope_scaling(rng, head, reference)
    return config


def difference(before, after):
    return {k: after.get(k) for k in sorted(set(before) | set(after)) if before.get(k) != after.get(k)}


def cases_of(family):
    """The cases of a family's script and how it draws tensors."""
    found = []
    main, common.main = common.main, lambda *args: found.append(args)
    importlib.import_module(family)
    common.main = main
    return found[-1][1], found[-1][2] if len(found[-1]) > 2 else None


def pome_logits(args, folder, tokens):
    write_json(folder / "tokens.json", [int(t) for t in tokens])
    out = folder / "logits.out.safetensors"
    command = [args.pome, "logits", str(folder), "--tokens-file", str(folder / "tokens.json"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"pome exits with {done.returncode}: {done.stderr.strip()}")
    return load_file(out)["logits"]


def by_transformers(folder, config, seed, draw, tokens):
    """Writes the folder as transformers saves it; the logits."""
    model = hf_model(config)
    shapes = {n: tuple(p.shape) for n, p in parameters_of(model).items()}
    weights = {n: torch.from_numpy(random_tensor(n, s, seed, draw)) for n, s in shapes.items()}
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    model.save_pretrained(folder)
    return logits_of(model, tokens)


def by_mlx_lm(folder, config, seed, draw, tokens, rng):
    """Writes the folder as mlx-lm saves it; the logits in float32."""
    model_class, args_class = mlx_lm.utils._get_classes(config)
    model = model_class(args_class.from_dict(config))
    named = dict(tree_flatten(model.parameters()))
    model.load_weights([(n, mx.array(random_tensor(n, a.shape, seed, draw))) for n, a in named.items()])
    config, how = without(config, "quantization"), None
    if rng.random() < 0.5:
        bits, mode = rng.choice([(4, "affine"), (8, "affine"), (6, "affine"), (3, "affine"), (4, "mxfp4"), (8, "mxfp8"), (4, "nvfp4")])
        how = {"group_size": {"affine": 32, "mxfp4": 32, "mxfp8": 32, "nvfp4": 16}[mode], "bits": bits, "mode": mode}
        fits = lambda _path, module: hasattr(module, "to_quantized") and module.weight.shape[-1] % 32 == 0
        chosen = getattr(model, "quant_predicate", None)
        both = (lambda p, m: fits(p, m) and chosen(p, m)) if chosen else fits
        mlx.nn.quantize(model, **how, class_predicate=both)
        left = [n for n, m in model.named_modules() if hasattr(m, "to_quantized")]
        config["quantization"] = how | {n: False for n in left}
        for name, module in model.named_modules():  # what a predicate gave settings of its own
            if hasattr(module, "bits") and (module.bits, module.group_size) != (bits, how["group_size"]):
                config["quantization"][name] = {"group_size": module.group_size, "bits": module.bits}
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())), {"format": "mlx"})
    write_json(folder / "config.json", config)
    model.eval()
    return torch.from_numpy(np.array(model(mx.array(tokens)[None])[0].astype(mx.float32))), how


def vary(args, family, number, cases, draw):
    """One variation: '' where it agrees, None where the reference refuses, else what is wrong."""
    rng = random.Random(f"{args.seed}/{family}/{number}/{args.reference}")
    name = rng.choice(sorted(cases))
    base = {k: v for k, v in inner(cases[name].config).items() if not k.startswith("quantization")}
    length = rng.choice([1, 5, 33, 40, 100, 150])
    config = changed(base, rng, args.reference)
    text = f"{family}/{name} #{number}, {length} tokens, {difference(base, config)}"
    seed = f"{family}/{args.seed}/{number}"
    tokens = common.random_for(seed).integers(0, config["vocab_size"], length)
    folder = Path(tempfile.mkdtemp(prefix=f"{family}-{number}-"))
    how = None
    try:
        try:
            if args.reference == "transformers":
                expected = by_transformers(folder, config, seed, draw, tokens)
            else:
                expected, how = by_mlx_lm(folder, config, seed, draw, tokens, rng)
            assert torch.isfinite(expected).all(), "not finite"
        except Exception as error:
            if args.verbose:
                print(f"refused: {text}: {type(error).__name__} {str(error)[:200]}")
            return None
        try:
            apart = distance(pome_logits(args, folder, tokens), expected)
            wrong = "" if apart < (3e-3 if how else 1e-3) else f"{apart:.1e} apart"
        except Exception as error:
            wrong = str(error)
        if wrong and args.keep:
            shutil.copytree(folder, Path(args.keep) / folder.name)
            wrong += f" ({Path(args.keep) / folder.name})"
        return f"{text}, {how}: {wrong}" if wrong else ""
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("families", nargs="+")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reference", choices=["transformers", "mlx-lm"], default="transformers")
    parser.add_argument("--pome", default="build/release/bin/pome")
    parser.add_argument("--keep")
    parser.add_argument("--verbose", action="store_true", help="why the reference refused")
    args = parser.parse_args()
    bad = 0
    for family in args.families:
        cases, draw = cases_of(family)
        if args.reference == "mlx-lm":
            cases = {n: c for n, c in cases.items() if c.mlx_lm is None}
            if not cases:
                continue
        found = [vary(args, family, args.first + i, cases, draw) for i in range(args.count)]
        wrong = [f for f in found if f]
        refused = sum(f is None for f in found)
        print(f"{family}: {len(found) - refused - len(wrong)} agree, {len(wrong)} differ, {refused} refused by the reference", flush=True)
        for text in wrong:
            print(f"  {text}", flush=True)
        bad += len(wrong)
    sys.exit(1 if bad else 0)


main()
