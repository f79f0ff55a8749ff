"""Writes random models twice: an MLX folder for pome and GGUF files for llama.cpp.

    python3 tools/bench/models.py FOLDER [NAME…]

Speed does not depend on what weights say, so quantized codes are random bits and all groups share one scale; the sizes
and layouts are those of real files (affine 4-bit, groups of 64, bfloat16 scales: 4.5 bits a weight, as Q4_0
and Q4_K). Needs nothing but Python's standard library. What exists is kept.

FOLDER/NAME/mlx is the folder, FOLDER/NAME/*.gguf the other forms.
"""

import json
import os
import random
import struct
import sys
from pathlib import Path

BF16, F16 = "BF16", "F16"


def bf16(value):
    return struct.pack("<f", value)[2:]


def f16(value):
    return struct.pack("<e", value)


class Shape:
    """A transformer of Qwen3's or Llama's kind; experts > 0 makes its feed-forward layers mixtures."""

    def __init__(self, layers, width, heads, kv_heads, head_dim, ffn, vocab, *, family="qwen3", experts=0,
                 active=0, dense=None, k_quants=True):
        self.layers, self.width, self.heads, self.kv_heads, self.head_dim = layers, width, heads, kv_heads, head_dim
        self.ffn, self.vocab, self.family, self.experts, self.active = ffn, vocab, family, experts, active
        self.dense = dense  # BF16 or F16 instead of 4 bits
        self.k_quants = k_quants and dense is None  # Q4_K has blocks of 256

    def linears(self, layer):
        """(MLX name, GGUF name, rows, columns, experts) of a layer's matrices."""
        w, q, kv = self.width, self.heads * self.head_dim, self.kv_heads * self.head_dim
        mlx, gguf = f"model.layers.{layer}.", f"blk.{layer}."
        yield mlx + "self_attn.q_proj", gguf + "attn_q", q, w, 0
        yield mlx + "self_attn.k_proj", gguf + "attn_k", kv, w, 0
        yield mlx + "self_attn.v_proj", gguf + "attn_v", kv, w, 0
        yield mlx + "self_attn.o_proj", gguf + "attn_output", w, q, 0
        parts = [("gate", self.ffn, w), ("up", self.ffn, w), ("down", w, self.ffn)]
        for part, rows, columns in parts:
            if self.experts:
                yield f"{mlx}mlp.switch_mlp.{part}_proj", f"{gguf}ffn_{part}_exps", rows, columns, self.experts
            else:
                yield f"{mlx}mlp.{part}_proj", f"{gguf}ffn_{part}", rows, columns, 0

    def norms(self, layer):
        mlx, gguf = f"model.layers.{layer}.", f"blk.{layer}."
        yield mlx + "input_layernorm", gguf + "attn_norm", self.width
        yield mlx + "post_attention_layernorm", gguf + "ffn_norm", self.width
        if self.family != "llama":
            yield mlx + "self_attn.q_norm", gguf + "attn_q_norm", self.head_dim
            yield mlx + "self_attn.k_norm", gguf + "attn_k_norm", self.head_dim

    def config(self):
        kind = "qwen3_moe" if self.experts else self.family
        config = {
            "architectures": [{"qwen3": "Qwen3ForCausalLM", "qwen3_moe": "Qwen3MoeForCausalLM",
                               "llama": "LlamaForCausalLM"}[kind]],
            "model_type": kind, "hidden_size": self.width, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "head_dim": self.head_dim,
            "intermediate_size": self.ffn, "vocab_size": self.vocab, "max_position_embeddings": 40960,
            "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True, "hidden_act": "silu",
            "attention_bias": False, "eos_token_id": self.vocab - 1, "bos_token_id": self.vocab - 2,
            "torch_dtype": "float16" if self.dense == F16 else "bfloat16",
        }
        if self.experts:
            config |= {"num_experts": self.experts, "num_experts_per_tok": self.active,
                       "moe_intermediate_size": self.ffn, "decoder_sparse_step": 1, "norm_topk_prob": True,
                       "mlp_only_layers": [], "router_aux_loss_coef": 0.001, "output_router_logits": False}
        if not self.dense:
            config["quantization"] = {"group_size": 64, "bits": 4}
            if self.experts:  # as mlx-lm quantizes them
                config["quantization"] |= {f"model.layers.{i}.mlp.gate": {"group_size": 64, "bits": 8}
                                           for i in range(self.layers)}
        return config


SHAPES = {
    "qwen3-0.6b": Shape(28, 1024, 16, 8, 128, 3072, 151936),
    "qwen3-1.7b": Shape(28, 2048, 16, 8, 128, 6144, 151936),
    # Four of Qwen3-30B-A3B's 48 layers, and a ninth of its vocabulary.
    "qwen3-moe": Shape(4, 2048, 32, 4, 128, 768, 16384, experts=128, active=8),
    "135m": Shape(30, 576, 9, 3, 64, 1536, 49152, family="llama", k_quants=False),
    "qwen3-0.6b-bf16": Shape(28, 1024, 16, 8, 128, 3072, 151936, dense=BF16),
    "qwen3-0.6b-f16": Shape(28, 1024, 16, 8, 128, 3072, 151936, dense=F16),
}


def random_floats(count, kind):
    """Bytes of numbers of either sign between 2^-7 and 2^-5."""
    low, high = os.urandom(count), os.urandom(count)
    top = (0x3C, 0xBC) if kind == BF16 else (0x24, 0xA4)
    high = high.translate(bytes(top[b & 1] for b in range(256)))
    data = bytearray(2 * count)
    data[0::2], data[1::2] = low, high
    return data


class Tensor:
    def __init__(self, name, kind, shape, parts):
        self.name, self.kind, self.shape, self.parts = name, kind, shape, parts  # parts(): chunks of bytes


def chunks(total, make, most=1 << 24):
    """make(n) for pieces of at most `most` that sum up to total."""
    while total > 0:
        n = min(total, most)
        yield make(n)
        total -= n


def affine(name, rows, columns, experts, bits=4):
    """A quantized matrix of MLX: weights about centred, of variance 1/columns."""
    count, lead = rows * columns * max(experts, 1), [experts] if experts else []
    step = (12.0 / columns) ** 0.5 / 2**bits
    groups = count // 64
    yield Tensor(name + ".weight", "U32", [*lead, rows, columns * bits // 32],
                 lambda: chunks(count * bits // 8, os.urandom))
    yield Tensor(name + ".scales", BF16, [*lead, rows, columns // 64], lambda: [bf16(step) * groups])
    yield Tensor(name + ".biases", BF16, [*lead, rows, columns // 64],
                 lambda: [bf16(-step * (2**bits - 1) / 2) * groups])


def mlx_tensors(shape):
    def linear(name, rows, columns, experts=0, bits=4):
        if shape.dense is None:
            yield from affine(name, rows, columns, experts, bits)
        else:
            yield Tensor(name + ".weight", shape.dense, [rows, columns],
                         lambda: chunks(rows * columns, lambda n: random_floats(n, shape.dense)))

    def norm(name, width):
        one = f16(1) if shape.dense == F16 else bf16(1)
        return Tensor(name + ".weight", shape.dense or BF16, [width], lambda: [one * width])

    yield from linear("model.embed_tokens", shape.vocab, shape.width)
    for layer in range(shape.layers):
        for name, _, width in shape.norms(layer):
            yield norm(name, width)
        for name, _, rows, columns, experts in shape.linears(layer):
            yield from linear(name, rows, columns, experts)
        if shape.experts:
            yield from linear(f"model.layers.{layer}.mlp.gate", shape.experts, shape.width, bits=8)
    yield norm("model.norm", shape.width)


def write_safetensors(path, tensors):
    sizes = {"U32": 4, BF16: 2, F16: 2}
    header, offset = {"__metadata__": {"format": "mlx"}}, 0
    for tensor in tensors:
        size = sizes[tensor.kind]
        for n in tensor.shape:
            size *= n
        header[tensor.name] = {"dtype": tensor.kind, "shape": tensor.shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            for part in tensor.parts():
                file.write(part)


# GGUF (version 3): https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Number of a type, elements and
# bytes of its blocks.
GGML = {"F32": (0, 1, 4), F16: (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_K": (12, 256, 144), BF16: (30, 1, 2)}
FILE_TYPE = {F16: 1, "Q4_0": 2, "Q4_K": 15, BF16: 32}


def blocks(kind, count, columns):
    step = (12.0 / columns) ** 0.5 / 16
    if kind == "Q4_0":
        head, codes = f16(step), 16
    else:
        # Scale and minimum of 6 bits each, all 32: low bits of four in bytes 0-7, the others' nibbles in 8-11.
        scales = bytes([32 | (32 >> 4 << 6)] * 8) + bytes([0] * 4)
        head, codes = f16(step / 32) + f16(step * 7.5 / 32) + scales, 128
    data = bytearray((len(head) + codes) * count)
    for i, byte in enumerate(head):
        data[i :: len(head) + codes] = bytes([byte]) * count
    for i in range(codes):
        data[len(head) + i :: len(head) + codes] = os.urandom(count)
    return data


def gguf_tensors(shape, kind):
    def matrix(name, rows, columns, experts=0, form=kind):
        count = rows * columns * max(experts, 1)
        if form in ("Q4_0", "Q4_K"):
            size = GGML[form][1]
            parts = lambda: chunks(count // size, lambda n: blocks(form, n, columns), 1 << 19)
        elif form == "F32":
            parts = lambda: [struct.pack("<f", ((i * 2654435761) % 65536 / 65536 - 0.5) * 0.1) for i in range(count)]
        else:
            parts = lambda: chunks(count, lambda n: random_floats(n, form))
        return Tensor(name + ".weight", form, [columns, rows, experts][: 3 if experts else 2], parts)

    def norm(name, width):
        return Tensor(name + ".weight", "F32", [width], lambda: [struct.pack("<f", 1.0) * width])

    yield matrix("token_embd", shape.vocab, shape.width)
    for layer in range(shape.layers):
        for _, name, width in shape.norms(layer):
            yield norm(name, width)
        for _, name, rows, columns, experts in shape.linears(layer):
            yield matrix(name, rows, columns, experts)
        if shape.experts:
            yield matrix(f"blk.{layer}.ffn_gate_inp", shape.experts, shape.width, form="F32")
    yield norm("output_norm", shape.width)


def write_gguf(path, shape, kind, tensors):
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()

    arch = "qwen3moe" if shape.experts else shape.family
    numbers = {
        "context_length": 40960, "embedding_length": shape.width, "block_count": shape.layers,
        "feed_forward_length": shape.ffn, "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads, "attention.key_length": shape.head_dim,
        "attention.value_length": shape.head_dim, "vocab_size": shape.vocab,
        "rope.dimension_count": shape.head_dim,
    }
    if shape.experts:
        numbers |= {"expert_count": shape.experts, "expert_used_count": shape.active,
                    "expert_feed_forward_length": shape.ffn}
    entries = [text("general.architecture") + struct.pack("<I", 8) + text(arch),
               text("tokenizer.ggml.model") + struct.pack("<I", 8) + text("no_vocab"),
               text("general.file_type") + struct.pack("<II", 4, FILE_TYPE[kind])]
    entries += [text(f"{arch}.{key}") + struct.pack("<II", 4, value) for key, value in numbers.items()]
    floats = {"attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 1e6}
    entries += [text(f"{arch}.{key}") + struct.pack("<If", 6, value) for key, value in floats.items()]

    table, offset = b"", 0
    for tensor in tensors:
        number, elements, size = GGML[tensor.kind]
        count = 1
        for n in tensor.shape:
            count *= n
        table += text(tensor.name) + struct.pack("<I", len(tensor.shape))
        table += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape) + struct.pack("<IQ", number, offset)
        offset += (count // elements * size + 31) // 32 * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries) + table
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32))
        for tensor in tensors:
            written = 0
            for part in tensor.parts():
                written += file.write(part)
            file.write(bytes(-written % 32))


def write_tokenizer(folder, vocab):
    """tokenizer.json of a byte-level BPE with `vocab` entries, made of chance merges; kept where it exists."""
    path = Path(folder) / "tokenizer.json"
    if path.exists():
        return
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    tokens = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]
    letters = [t for t in tokens if t.isascii() and t.isalpha()] + ["\u0120"]
    known, parts, merges, generator = set(tokens), list(letters), [], random.Random(1)
    while len(tokens) < vocab - 2:
        left, right = generator.choice(parts), generator.choice(parts)
        if left + right in known:
            continue
        known.add(left + right)
        tokens.append(left + right)
        merges.append([left, right])
        if len(left + right) <= 4:  # so that no token is longer than 8
            parts.append(left + right)
    special = [{"id": vocab - 2 + i, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for i, name in enumerate(["<|start|>", "<|end|>"])]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    path.write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges}}))
    (Path(folder) / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>"}))


def make(folder, name):
    """Writes what is missing of a model; returns its MLX folder and {form: GGUF file}."""
    shape = SHAPES[name]
    base = Path(folder) / name
    mlx = base / "mlx"
    mlx.mkdir(parents=True, exist_ok=True)

    def whole(path, write):
        if not path.exists():
            part = path.with_name(path.name + ".part")
            write(part)
            part.rename(path)

    whole(mlx / "model.safetensors", lambda path: write_safetensors(path, list(mlx_tensors(shape))))
    (mlx / "config.json").write_text(json.dumps(shape.config(), indent=1))
    files = {}
    for kind in [shape.dense] if shape.dense else ["Q4_0"] + ["Q4_K"] * shape.k_quants:
        files[kind] = base / f"{kind}.gguf"
        whole(files[kind], lambda path: write_gguf(path, shape, kind, list(gguf_tensors(shape, kind))))
    return mlx, files


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for wanted in sys.argv[2:] or SHAPES:
        if wanted not in SHAPES:
            sys.exit(f"{wanted}: no such shape, there are {', '.join(SHAPES)}")
        folder, files = make(sys.argv[1], wanted)
        print(folder, *files.values())
