"""Writes tests/golden/<family>/<case>/: a tiny random checkpoint and what transformers computes from it.

A family script lists `Case`s and calls `main`. Each case is written to disk first; the reference then reads
that folder back as any program would, so the stored bytes are what is tested. Three guards make a golden
worth having:

- *sees*: the same weights under a mistaken config must give clearly other logits (a wrong epsilon always,
  plus what the case names), or the script fails;
- the greedy tokens must not depend on rounding, nor on whether keys are cached;
- mlx-lm must agree in float32, unless the case says why it does not.

Random numbers depend on names alone, so a rerun on the same machine writes the same bytes.
"""

import json
import shutil
import sys
import tempfile
import zlib
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import mlx.core as mx
import mlx_lm.utils
import numpy as np
import torch
from mlx_lm.tuner.utils import load_adapters
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

ROOT = Path(__file__).resolve().parents[2] / "tests" / "golden"
REFERENCE = f"transformers {version('transformers')}, torch {version('torch').split('+')[0]}, float32, eager"
LENGTH, CONTINUATION = 40, 16
EPSILONS = ["rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps", "layernorm_epsilon"]

torch.set_num_threads(1)
mx.set_default_device(mx.cpu)


@dataclass
class Adapter:
    """A low-rank adapter beside the base weights. kind: lora and dora as mlx-lm writes them, or peft."""

    kind: str
    keys: list
    rank: int
    scale: float
    num_layers: int


@dataclass
class Case:
    config: dict
    dtype: str = "float32"
    quantize: dict | None = None  # the `quantization` of config.json: group_size, bits, overrides by module
    untouched: tuple = ()  # modules left dense that no override names
    sees: list = field(default_factory=list)  # config changes, each of which must show in the logits
    mlx_lm: str | None = None  # why mlx-lm differs; None where it must agree
    weights: str | None = None  # name whose random numbers to share
    extra: object = None  # config -> further tensors that a published file would carry
    shards: int = 1
    # How files name and cut the tensors. None: as the reference's parameters are; "hub": as transformers saves
    # them; "mlx": as mlx-lm does after its `sanitize`; or a function from the hub's tensors to the file's.
    layout: object = None
    stored: object = None  # the config as the folder has it, where the reference wants another
    npz: bool = False  # weights.npz instead of safetensors
    length_matters: bool = False  # whether rope depends on the length, so that cached keys are of another one
    adapters: dict = field(default_factory=dict)
    draw: object = None  # instead of the family's


# ---- configs -------------------------------------------------------------------------------------------------


def tiny(model_type, **changes):
    """A config in the form of transformers 4 that makes some 20,000 parameters."""
    return {
        "model_type": model_type,
        "vocab_size": 80,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "rms_norm_eps": 0.01,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    } | changes


def without(config, *keys):
    return {k: v for k, v in config.items() if k not in keys}


def new_form(config):
    """The same as transformers 5 writes it: everything about rope in rope_parameters."""
    parameters = {"rope_type": "default", "rope_theta": config["rope_theta"]} | (config.get("rope_scaling") or {})
    if "partial_rotary_factor" in config:
        parameters["partial_rotary_factor"] = config["partial_rotary_factor"]
    kept = without(config, "rope_theta", "rope_scaling", "partial_rotary_factor")
    return kept | {"rope_parameters": parameters, "dtype": "float32"}


def affine(bits=4, group_size=32, **overrides):
    return {"group_size": group_size, "bits": bits, "mode": "affine"} | overrides


# ---- 8-bit floats --------------------------------------------------------------------------------------------

FP8_BLOCK = (16, 24)
FP8 = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": list(FP8_BLOCK)}


def blocks_of(matrix):
    high, wide = FP8_BLOCK
    for row in range(0, matrix.shape[-2], high):
        for column in range(0, matrix.shape[-1], wide):
            yield row // high, column // wide, matrix[..., row : row + high, column : column + wide]


def fp8_values(shape, rng):
    """What E4M3 has, times a scale per block; BF16 has it too. The largest code is in every block, so that it tells
    the scale."""
    codes = torch.from_numpy(rng.normal(0, 100, shape)).clamp(-400, 400).to(torch.float8_e4m3fn).double().numpy()
    for _, _, block in blocks_of(codes):
        block[..., 0, 0] = 448
        block *= 1.25 * 2.0 ** np.round(np.log2(1 / (200 * shape[-1] ** 0.5)) + rng.integers(-1, 2))
    return codes


def in_fp8(names):
    """A layout: matrices whose names match, as codes and the scales of their blocks."""

    def layout(hub):
        out = {}
        for name, value in hub.items():
            if value.ndim != 2 or not any(n in name for n in names):
                out[name] = value
                continue
            high, wide = FP8_BLOCK
            codes = value.clone()
            scales = torch.zeros(-(-value.shape[0] // high), -(-value.shape[1] // wide))
            for row, column, block in blocks_of(codes):
                scales[row, column] = block.abs().max() / 448
                block /= scales[row, column]
            out[name] = codes.to(torch.float8_e4m3fn)
            assert torch.equal(out[name].float(), codes), name
            out[f"{name}_scale_inv"] = scales
        return out

    return layout


# ---- writing -------------------------------------------------------------------------------------------------


def random_for(*names):
    return np.random.default_rng([zlib.crc32(n.encode()) for n in names])


def random_tensor(name, shape, seed, draw=None):
    """Norms and biases far from 1 and 0, embeddings so small that epsilon counts, attention far from flat."""
    rng = random_for(seed, name)
    own = draw(name, shape, rng) if draw else None
    if own is not None:
        return own.astype(np.float32)
    if name.endswith("norm.weight") or (len(shape) == 1 and "norm" in name and name.endswith("weight")):
        return rng.uniform(0.4, 1.8, shape).astype(np.float32)
    if name.endswith("bias"):
        return rng.normal(0, 0.3, shape).astype(np.float32)
    if "embed_tokens" in name:
        return rng.normal(0, 0.3, shape).astype(np.float32)
    gain = 1.7 if ".q_proj" in name or ".k_proj" in name else 1.0
    return rng.normal(0, gain / shape[-1] ** 0.5, shape).astype(np.float32)


def inner(config):
    """What describes the text model: a wrapped one's lies in text_config."""
    return config.get("text_config", config)


def untagged(value):
    """Infinities as transformers 5 writes them."""
    if isinstance(value, list):
        return [untagged(v) for v in value]
    return float(value["__float__"]) if isinstance(value, dict) and "__float__" in value else value


def hf_model(config):
    """The reference of the text model, whatever wraps it."""
    config = {k: untagged(v) for k, v in inner(config).items() if not k.startswith("quantization")}
    hf_config = CONFIG_MAPPING[config.pop("model_type")].from_dict(config)
    return AutoModelForCausalLM.from_config(hf_config, attn_implementation="eager", dtype=torch.float32).eval()


def parameters_of(model):
    """The parameters, and the buffer that routers keep what corrects their scores in."""
    corrections = {n: b for n, b in model.named_buffers() if n.endswith(("e_score_correction_bias", "expert_bias"))}
    return dict(model.named_parameters()) | corrections


def layers_of(model):
    """The module list of blocks, wherever the family keeps it."""
    return next(m for n, m in model.named_modules() if n.endswith(".layers") and isinstance(m, torch.nn.ModuleList))


def packed(tensors, case):
    """MLX's affine layout: every matrix that the config does not exclude gains .scales and .biases."""
    out = {}
    for name, value in tensors.items():
        array = mx.array(value).astype(getattr(mx, case.dtype))
        module = name.removesuffix(".weight")
        how = settings_of(case, module, value)
        if not how:
            out[name] = array
            continue
        codes, scales, biases = mx.quantize(array, group_size=how["group_size"], bits=how["bits"])
        out |= {f"{module}.weight": codes, f"{module}.scales": scales, f"{module}.biases": biases}
    return out


def settings_of(case, module, value):
    """How a module is quantized, False where it is not: matrices, stacked ones too, but no convolutions."""
    matrix = value.ndim == 2 or (value.ndim == 3 and "conv" not in module)
    how = case.quantize.get(module, case.quantize) if matrix else False
    return how if how and module not in case.untouched and value.shape[-1] % how["group_size"] == 0 else False


def laid_out(case, model, tensors):
    """The tensors of the reference's parameters as the case's files have them."""
    with tempfile.TemporaryDirectory() as folder:
        model.load_state_dict(tensors, strict=False)
        model.save_pretrained(folder)
        hub = load_file(Path(folder) / "model.safetensors")
    if callable(case.layout):
        return case.layout(hub)
    if case.layout == "hub":
        return hub
    model_class, args_class = mlx_lm.utils._get_classes(inner(case.config))
    mlx_model = model_class(args_class.from_dict(inner(case.config)))
    arrays = {n: mx.array(t.numpy()) for n, t in hub.items()}
    sanitized = mlx_model.sanitize(arrays) if hasattr(mlx_model, "sanitize") else arrays
    return {n: torch.from_numpy(np.array(a)) for n, a in sanitized.items()}


def quantized_and_back(case, tensors):
    """Every row of a matrix as its codes say it: what the reference computes with."""

    def rounded(name, value):
        how = settings_of(case, name.removesuffix(".weight"), value)
        if not how:
            return value
        array = mx.array(value.numpy()).astype(getattr(mx, case.dtype))
        parts = mx.quantize(array, group_size=how["group_size"], bits=how["bits"])
        codes, scales, biases = (p if i == 0 else p.astype(mx.float32) for i, p in enumerate(parts))
        decoded = mx.dequantize(codes, scales, biases, group_size=how["group_size"], bits=how["bits"])
        return torch.from_numpy(np.array(decoded))

    return {n: rounded(n, t) for n, t in tensors.items()}


def write_model(folder, case, seed, draw):
    """Writes config and weights; returns what the reference's parameters are by that."""
    model = hf_model(case.config)
    shapes = {n: tuple(p.shape) for n, p in parameters_of(model).items()}
    dtype = getattr(torch, case.dtype)
    tensors = {n: torch.from_numpy(random_tensor(n, s, seed, draw)).to(dtype) for n, s in shapes.items()}
    for name in set(model.state_dict()) & {n for n, _ in model.named_buffers()}:
        drawn = draw(name, model.state_dict()[name].shape, random_for(seed, name)) if draw else None
        if drawn is not None:  # what is stored though nobody trains it
            tensors[name] = torch.from_numpy(drawn.astype(np.float32)).to(dtype)
    reference = {n: t.float() for n, t in tensors.items()}
    if case.layout:
        stored = laid_out(case, model, reference)
        tensors = {n: t.to(dtype) if t.is_floating_point() and t.element_size() > 1 else t for n, t in stored.items()}
    config = dict(case.stored or case.config)
    if case.quantize:
        config |= {"quantization": case.quantize, "quantization_config": case.quantize}
        files = packed({n: t.float().numpy() for n, t in tensors.items()}, case)
        if case.npz:
            np.savez(folder / "weights.npz", **{n: np.array(a) for n, a in files.items()})
        else:
            mx.save_safetensors(str(folder / "model.safetensors"), files, {"format": "mlx"})
        reference = quantized_and_back(case, reference)
    else:
        if case.extra:
            tensors |= case.extra(case.config)
        if case.npz:
            np.savez(folder / "weights.npz", **{n: t.numpy() for n, t in tensors.items()})
        else:
            write_shards(folder, {n: t.contiguous() for n, t in tensors.items()}, case.shards)
    write_json(folder / "config.json", config)
    if case.layout:
        check_layout(folder, case, model, reference)
        return reference
    return dense_weights(folder, shapes)


def check_layout(folder, case, model, reference):
    """What the files hold is what the reference computes with, laid out."""
    for name, value in laid_out(case, model, reference).items():
        stored = dense_weights(folder, {name: value.shape})[name]
        value = value.float()
        assert torch.equal(stored, value) or torch.equal(stored, value.to(getattr(torch, case.dtype)).float()), name


def write_shards(folder, tensors, shards):
    if shards == 1:
        return save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    names, weight_map = sorted(tensors), {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        save_file({n: tensors[n] for n in part}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    size = sum(t.nbytes for t in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_adapter(folder, adapter, base, seed):
    """lora_a [in, rank] and lora_b [rank, out], as mlx-lm keeps them; PEFT stores both transposed."""
    rng, tensors, peft = random_for(seed), {}, adapter.kind == "peft"
    layers = 1 + max(int(n.split(".")[2]) for n in base if n.startswith("model.layers."))
    for layer in range(layers - adapter.num_layers, layers):
        for key in adapter.keys:
            module = f"model.layers.{layer}.{key}"
            weight = base[f"{module}.weight"]
            rows, columns = weight.shape
            a = torch.from_numpy(rng.normal(0, columns**-0.5, (columns, adapter.rank))).float()
            b = torch.from_numpy(rng.normal(0, 0.3, (adapter.rank, rows))).float()
            if peft:
                tensors[f"base_model.model.{module}.lora_A.weight"] = a.T.contiguous()
                tensors[f"base_model.model.{module}.lora_B.weight"] = b.T.contiguous()
                continue
            tensors |= {f"{module}.lora_a": a, f"{module}.lora_b": b}
            if adapter.kind == "dora":
                factor = torch.from_numpy(rng.uniform(0.6, 1.6, rows)).float()
                tensors[f"{module}.m"] = factor * weight.norm(dim=1)
    if peft:
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": None,
            "r": adapter.rank,
            "lora_alpha": adapter.scale * adapter.rank,
            "lora_dropout": 0.0,
            "target_modules": [k.split(".")[-1] for k in adapter.keys],
            "bias": "none",
            "fan_in_fan_out": False,
            "use_rslora": False,
            "use_dora": False,
        }
    else:
        parameters = {"rank": adapter.rank, "scale": adapter.scale, "dropout": 0.0, "keys": adapter.keys}
        config = {
            "fine_tune_type": adapter.kind,
            "num_layers": adapter.num_layers,
            "lora_parameters": parameters,
        }
    write_json(folder / "adapter_config.json", config)
    save_file(tensors, folder / ("adapter_model.safetensors" if peft else "adapters.safetensors"))


# ---- the reference, from what lies on disk -------------------------------------------------------------------


def unpacked(codes, scales, biases, shape):
    """scale * code + bias in float32. A row is one little-endian stream of codes, cut into uint32."""
    rows = codes.numel() // codes.shape[-1]
    stream = np.unpackbits(codes.view(torch.uint8).numpy().reshape(rows, -1), axis=1, bitorder="little")
    bits = stream.shape[1] // shape[-1]
    values = stream.reshape(rows, shape[-1], bits) @ (1 << np.arange(bits))
    groups = torch.from_numpy(values).float().reshape(*scales.shape, -1)
    return (scales.float()[..., None] * groups + biases.float()[..., None]).reshape(shape)


def dense_weights(folder, shapes):
    """Tensors of the folder's files by name and shape, as float32."""
    stored = {}
    for file in sorted(folder.glob("model*.safetensors")):
        stored |= load_file(file)
    for file in folder.glob("weights*.npz"):
        stored |= {n: torch.from_numpy(a) for n, a in np.load(file).items()}
    out = {}
    for name, shape in shapes.items():
        module = name.removesuffix(".weight")
        if f"{module}.scales" in stored:
            scales, biases = stored[f"{module}.scales"], stored[f"{module}.biases"]
            out[name] = unpacked(stored[f"{module}.weight"], scales, biases, shape)
        else:
            out[name] = stored[name].float()
    return out


def merge_adapter(weights, folder):
    """Folds the adapter of `folder` into dense float32 weights.

    LoRA: W + scale (A B)^T; DoRA: that, each row brought to length m. PEFT's scale is lora_alpha / r.
    """
    config = json.loads((folder / "adapter_config.json").read_text())
    peft = "peft_type" in config
    tensors = load_file(next(folder.glob("adapter*.safetensors")))
    scale = config["lora_alpha"] / config["r"] if peft else config["lora_parameters"]["scale"]
    a_name, b_name = (".lora_A.weight", ".lora_B.weight") if peft else (".lora_a", ".lora_b")
    for module in [n.removesuffix(a_name) for n in tensors if n.endswith(a_name)]:
        a, b = tensors[module + a_name], tensors[module + b_name]
        delta = scale * (b @ a if peft else (a @ b).T)
        name = module.removeprefix("base_model.model.") + ".weight"
        weights[name] = weights[name] + delta
        if f"{module}.m" in tensors:
            weights[name] *= (tensors[f"{module}.m"] / weights[name].norm(dim=1))[:, None]


def load_reference(config, weights, adapter=None, changes={}):
    model = hf_model(inner(config) | changes)
    weights = dict(weights)
    if adapter:
        merge_adapter(weights, adapter)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    known = set(missing) <= tied | {n for n, _ in model.named_buffers()} and not unexpected
    assert known or changes, (missing, unexpected)
    return model


@torch.no_grad()
def logits_of(model, tokens):
    """One whole pass. Dynamic rope remembers the longest input it met, until a short one makes it forget."""
    for sequence in [0], list(tokens):
        out = model(input_ids=torch.tensor([sequence]), use_cache=False)
    return out.logits[0]


def greedy_with_cache(model, tokens):
    """The continuation [16] and the logits [16, V] that chose it, one token at a time."""
    logits_of(model, [0])
    out = model.generate(
        torch.tensor([list(tokens)]),
        attention_mask=torch.ones(1, len(tokens), dtype=torch.int64),
        max_new_tokens=CONTINUATION,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return out.sequences[0, len(tokens) :], torch.cat(out.logits)


def greedy_at_final_length(model, tokens):
    """The same by whole passes over an input padded to its final length, known to rope from the start."""
    sequence, rows = [*tokens, *[0] * CONTINUATION], []
    for i in range(len(tokens), len(sequence)):
        rows.append(logits_of(model, sequence)[i - 1])
        sequence[i] = int(rows[-1].argmax())
    return torch.tensor(sequence[len(tokens) :]), torch.stack(rows)


def clear(rows):
    """Whether rounding cannot change any choice."""
    best, second = rows.topk(2).values.T
    return bool((best - second > 0.02 * rows.std()).all())


def golden(model, case, seed):
    """Picks the first random prompt whose continuation is safe, and records it."""
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = None
    for attempt in range(200):
        rng = random_for(seed, f"prompt {attempt}")
        tokens = rng.integers(0, model.config.vocab_size, LENGTH)
        cached, rows = greedy_with_cache(model, tokens)
        planned, planned_rows = greedy_at_final_length(model, tokens)
        same = bool((cached == planned).all())
        if clear(rows) and clear(planned_rows) and same != case.length_matters:
            break
    else:
        raise SystemExit(f"{seed}: no prompt with a safe continuation")
    layers = []

    def keep(_module, _inputs, out):
        x = out[0] if isinstance(out, tuple) else out
        layers.append(x[0] if x.ndim == 4 else x)  # of Gemma 3n's streams the first

    hooks = [layer.register_forward_hook(keep) for layer in layers_of(model)]
    logits = logits_of(model, tokens)
    for hook in hooks:
        hook.remove()
    out = {
        "tokens": torch.tensor(tokens, dtype=torch.int32),
        "logits": logits,
        "layers": torch.cat(layers[-len(hooks) :]),
        "greedy": cached.int(),
    }
    return out | ({"greedy_final_length": planned.int()} if case.length_matters else {})


def distance(a, b):
    """Largest difference in units of b's standard deviation."""
    return float((a - b).abs().max() / b.std())


def mlx_lm_logits(folder, tokens, adapter=None):
    model, _ = mlx_lm.utils.load_model(folder)
    if adapter:
        model = load_adapters(model, str(adapter))
    model.set_dtype(mx.float32)
    model.eval()
    return torch.from_numpy(np.array(model(mx.array(tokens.numpy())[None])[0]))


def check_mlx_lm(folder, expected, why_not, adapter=None):
    try:
        apart = distance(mlx_lm_logits(folder, expected["tokens"], adapter), expected["logits"])
        text = f"mlx-lm {apart:.0e}"
    except Exception as error:
        apart, text = float("inf"), f"mlx-lm fails: {error}"
    if why_not is None and apart > 1e-3:
        raise SystemExit(f"{folder}: {text}, should agree")
    return text + (f" ({why_not})" if why_not else "")


# ---- one family ----------------------------------------------------------------------------------------------


def write_golden(folder, case, seed, weights, adapter=None):
    """Writes golden.safetensors of the model, or of an adapter inside of it."""
    expected = golden(load_reference(case.config, weights, adapter), case, seed)
    save_file(expected, folder / "golden.safetensors", {"reference": REFERENCE})
    return expected


def run_case(family, name, case, draw):
    seed = f"{family}/{case.weights or name}"
    folder = ROOT / family / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    weights = write_model(folder, case, seed, draw)
    expected = write_golden(folder, case, seed, weights)
    seen = []
    wrong_epsilon = [{key: 1e-6} for key in EPSILONS if key in inner(case.config)]
    for change in wrong_epsilon + case.sees:
        wrong = logits_of(load_reference(case.config, weights, changes=change), expected["tokens"])
        seen.append(distance(wrong, expected["logits"]))
        if seen[-1] < 0.02:
            raise SystemExit(f"{seed}: {change} moves the logits by only {seen[-1]:.0e} of their deviation")
    report(folder, seen, check_mlx_lm(folder, expected, case.mlx_lm))
    for adapter_name, adapter in case.adapters.items():
        within = folder / adapter_name
        within.mkdir()
        write_adapter(within, adapter, weights, f"{seed}/{adapter_name}")
        adapted = write_golden(within, case, f"{seed}/{adapter_name}", weights, adapter=within)
        plain = logits_of(load_reference(case.config, weights), adapted["tokens"])
        why_not = "reads its own format only" if adapter.kind == "peft" else None
        report(within, [distance(plain, adapted["logits"])], check_mlx_lm(folder, adapted, why_not, within))


def report(folder, seen, mlx_lm_text):
    size = sum(f.stat().st_size for f in folder.iterdir() if f.is_file())
    mistakes = " ".join(f"{s:.2g}" for s in seen)
    name = folder.relative_to(ROOT)
    print(f"{name}: {size / 1000:.0f} kB; mistakes show as {mistakes}; {mlx_lm_text}", flush=True)


def main(family, cases, draw=None):
    """Writes all cases, or those named on the command line. draw(name, shape, rng) may choose a tensor's numbers."""
    for name in sys.argv[1:] or cases:
        run_case(family, name, cases[name], cases[name].draw or draw)
