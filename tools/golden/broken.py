"""Writes tests/golden/broken/<fault>/: `sound`, a complete tiny model, and copies of it with one fault each.

Everything a fixture does not name is right, tokenizer included, so that only its own fault can be reported.
"""

import shutil
import struct

import numpy as np
import torch
from common import ROOT, hf_model, load_reference, logits_of, random_for, random_tensor
from common import write_json, write_shards
from tokenizers import Tokenizer, decoders, models

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 32,
    "hidden_size": 32,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "eos_token_id": 0,
}
HOME = ROOT / "broken"
UP = "model.layers.0.mlp.up_proj.weight"


def tokenizer():
    """Single letters, a space and an end token: 32 ids."""
    letters = ["</s>", " ", ".", ",", "?", "\n", *map(chr, range(ord("a"), ord("z") + 1))]
    built = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    built.decoder = decoders.Fuse()
    built.add_special_tokens(["</s>"])
    return built


def start(fault, tensors, shards=1, **config_changes):
    folder = HOME / fault
    folder.mkdir()
    write_json(folder / "config.json", CONFIG | config_changes)
    tokenizer().save(str(folder / "tokenizer.json"), pretty=False)
    about = {"eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(folder / "tokenizer_config.json", about)
    if tensors:
        write_shards(folder, tensors, shards)
    return folder


def seven_bits(tensors):
    """The layout that 7-bit codes would have, for every matrix that groups of 32 divide."""
    out, rng = {}, random_for("broken/bits")
    for name, value in tensors.items():
        rows, columns = value.shape if value.ndim == 2 else (1, 1)
        if columns % 32:
            out[name] = value
            continue
        module = name.removesuffix(".weight")
        words = rng.integers(0, 2**32, (rows, columns * 7 // 32), dtype=np.uint32)
        scales = torch.full((rows, columns // 32), 0.01, dtype=torch.float16)
        out |= {name: torch.from_numpy(words), f"{module}.scales": scales, f"{module}.biases": -64 * scales}
    return out


def gguf():
    """The header of a GGUF version 3 file: no tensors, one text value."""

    def text(value):
        return struct.pack("<Q", len(value)) + value

    string_kind = struct.pack("<I", 8)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text(b"general.architecture") + string_kind + text(b"llama")


def main():
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    shapes = {n: tuple(p.shape) for n, p in hf_model(CONFIG).named_parameters()}
    tensors = {n: torch.from_numpy(random_tensor(n, s, "broken")).half() for n, s in shapes.items()}

    sound = start("sound", tensors)
    assert logits_of(load_reference(sound), [6, 7, 8]).isfinite().all()

    folder = start("truncated_shard", tensors, shards=2)
    shard = folder / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1000])

    start("wrong_shape", tensors | {UP: tensors[UP][:-1].contiguous()})
    start("missing_tensor", {n: t for n, t in tensors.items() if n != UP})
    start("unknown_architecture", tensors, model_type="lama")
    start("unknown_rope_scaling", tensors, rope_scaling={"rope_type": "spiral", "factor": 2.0})
    start("unknown_config_key", tensors, qk_layernorm_scale_mystery=3)
    seven = {"group_size": 32, "bits": 7, "mode": "affine"}
    start("bits_not_in_table", seven_bits(tensors), quantization=seven)

    folder = start("missing_shard", tensors, shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()

    (start("gguf", None) / "model.gguf").write_bytes(gguf())

    folder = start("pytorch_bin", None)
    torch.save(tensors, folder / "pytorch_model.bin")

    folder = start("invalid_json", tensors)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"hidden_size": 32,', '"hidden_size": 32'))

    folder = start("no_tokenizer", tensors)
    for file in folder.glob("tokenizer*"):
        file.unlink()

    for folder in sorted(HOME.iterdir()):
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"broken/{folder.name}: {size / 1000:.1f} kB")


main()
