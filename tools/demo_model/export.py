#!/usr/bin/env python3
"""Writes trained weights as an MLX 4-bit model folder."""

import argparse
import json
import pathlib

import numpy
import torch
from safetensors.numpy import save_file

from model import BITS, CONFIG, GROUP_SIZE, Llama, quantize
from text import END, END_OF_TEXT, START, TEMPLATE

DTYPES = {"float16": torch.float16, "float32": torch.float32}


def pack(codes):
    """codes [rows, groups, G] -> uint32 [rows, columns / 8], the first code in the lowest bits."""
    codes = codes.reshape(codes.shape[0], -1, 32 // BITS).numpy().astype(numpy.uint32)
    shifts = numpy.arange(0, 32, BITS, dtype=numpy.uint32)
    return numpy.bitwise_or.reduce(codes << shifts, axis=-1)


def tensors(model, stored):
    out = {}
    for name, parameter in model.state_dict().items():
        if parameter.ndim == 1:
            out[name] = parameter.to(stored).numpy()
            continue
        codes, scale, bias = quantize(parameter, stored)
        base = name.removesuffix(".weight")
        out[name] = pack(codes)
        out[base + ".scales"] = scale.squeeze(-1).to(stored).numpy()
        out[base + ".biases"] = bias.squeeze(-1).to(stored).numpy()
    return out


def write(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=pathlib.Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="model folder, such as assets/demo")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of scales, biases and norms")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    stored = DTYPES[arguments.dtype]

    model = Llama()
    model.load_state_dict(torch.load(arguments.weights / "weights.pt"))
    arrays = dict(sorted(tensors(model, stored).items()))
    save_file(arrays, arguments.out / "model.safetensors", metadata={"format": "mlx"})

    tokenizer = json.loads((arguments.weights / "tokenizer.json").read_text(encoding="utf-8"))
    ids = {entry["content"]: entry["id"] for entry in tokenizer["added_tokens"]}
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (arguments.out / "tokenizer.json").write_text(text + "\n", encoding="utf-8")

    ends = [ids[END], ids[END_OF_TEXT]]
    quantization = {"group_size": GROUP_SIZE, "bits": BITS, "mode": "affine"}
    special = {"bos_token_id": ids[START], "eos_token_id": ends, "pad_token_id": ids[END_OF_TEXT]}
    config = CONFIG | special | {"torch_dtype": arguments.dtype}
    config |= {"quantization": quantization, "quantization_config": quantization}
    write(arguments.out / "config.json", dict(sorted(config.items())))
    write(arguments.out / "generation_config.json", special | {"do_sample": False})
    names = {"bos_token": START, "eos_token": END, "pad_token": END_OF_TEXT}
    write(arguments.out / "special_tokens_map.json", names)
    described = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    settings = {
        "add_bos_token": False,
        "add_eos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {str(i): {"content": content} | described for content, i in ids.items()},
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONFIG["max_position_embeddings"],
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    write(arguments.out / "tokenizer_config.json", dict(sorted((names | settings).items())))


if __name__ == "__main__":
    main()
