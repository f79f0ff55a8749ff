"""Writes tests/golden/formats/ with Python's safetensors, and the fuzzer's seeds in tests/fuzz/safetensors/.

    pip install safetensors numpy
    python tools/golden/formats.py

all_dtypes.safetensors holds a tensor of every type that this writer knows, a scalar, an empty tensor, and names
that need escapes. The bytes count up from the position of the type in the list, so each tensor differs.
compressed.npz is what numpy.savez_compressed writes.
"""

import io
import json
import struct
from pathlib import Path

import numpy as np
from safetensors import TensorSpec, serialize

ROOT = Path(__file__).resolve().parents[2]

BITS = {
    "bool": 8, "uint8": 8, "int8": 8, "uint16": 16, "int16": 16, "uint32": 32, "int32": 32, "uint64": 64,
    "int64": 64, "float16": 16, "bfloat16": 16, "float32": 32, "float64": 64, "complex64": 64,
    "float8_e4m3fn": 8, "float8_e5m2": 8, "float8_e8m0fnu": 8, "float8_e4m3fnuz": 8, "float8_e5m2fnuz": 8,
    "float4_e2m1fn_x2": 8,
}  # fmt: skip


def all_dtypes():
    keep, specs = [], {}

    def add(name, dtype, shape, start):
        size = int(np.prod(shape)) * BITS[dtype] // 8
        data = (np.arange(size) + start).astype(np.uint8)
        if dtype == "bool":
            data &= 1
        keep.append(data)
        specs[name] = TensorSpec(dtype=dtype, shape=shape, data_ptr=data.ctypes.data, data_len=size)

    for i, dtype in enumerate(BITS):
        add(dtype, dtype, [2, 3], i)
    add("scalar", "float32", [], 100)
    add("empty", "float16", [4, 0], 0)
    add('née "q"\n\\ 模型', "uint8", [1], 101)
    return serialize(specs, metadata={"format": "pt"})


def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def seeds(golden):
    pair = {"a": entry("F16", [2, 2], 0, 8), "b": entry("F4", [3, 2], 8, 11)}
    return {
        "all_dtypes": golden,
        "empty": file_of(b"{}      "),
        "pair": file_of({"__metadata__": {"format": "mlx"}} | pair, bytes(11)),
        "null_metadata": file_of({"__metadata__": None} | pair, bytes(11)),
        "overlap": file_of({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, bytes(6)),
        "hole": file_of({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 5, 9)}, bytes(9)),
        "overflow": file_of({"a": entry("F64", [2**62, 4], 0, 0)}),
        "truncated": file_of({"a": entry("F32", [1000, 1000], 0, 4000000)}, bytes(4)),
        "trailing": file_of(pair, bytes(20)),
        "negative": file_of({"a": entry("U8", [-1], -1, 0)}),
        "twice": file_of(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
                         b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
        "deep": file_of(b'{"a":' + b"[" * 200),
        "index": json.dumps({"metadata": {"total_size": 3}, "weight_map": {"a": "x-1.safetensors"}}).encode(),
        "huge_header": struct.pack("<Q", 2**64 - 1) + b"{}",
    }  # fmt: skip


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def compressed():
    file = io.BytesIO()
    a = np.arange(3000, dtype=np.float32).reshape(30, 100)
    np.savez_compressed(file, a=a, b=np.zeros(5000, np.float16), c=np.uint32(7))
    return file.getvalue()


golden = all_dtypes()
write(ROOT / "tests/golden/formats", {"all_dtypes.safetensors": golden, "compressed.npz": compressed()})
write(ROOT / "tests/fuzz/safetensors", seeds(golden))
