"""Writes assets/catalogue.json: `python tools/catalogue/make.py`.

The one table of known models, which presets, recommend, `list --missing` and name corrections read. Parameters and
bytes are computed from the shapes below, so that they are those of the files: affine quantization costs bits + 32/group
per weight of every linear and embedding, norms stay 16 bits. `pome recommend --refresh` asks the Hub instead.
"""

import json
import pathlib

AS_OF = "2026-11-21"


def decoder(layers, width, ffn, heads, kv, head, vocab, tied, experts=0, active=0, shared=0, qk_norm=False, window=0, full_every=0):
    """Parameters (all, active) and the cache's layers of a decoder-only transformer with gated MLPs."""
    attention = width * head * (heads + 2 * kv) + heads * head * width
    expert = 3 * width * ffn
    router = width * experts
    mlp = expert * max(experts, 1) + router + 3 * width * shared
    used = expert * max(active, 1) + router + 3 * width * shared
    norms = 2 * width + (2 * head if qk_norm else 0)
    tables = vocab * width * (1 if tied else 2)
    matrices = layers * (attention + mlp) + tables
    active_matrices = layers * (attention + used) + vocab * width
    small = layers * norms + width
    full = layers if not window else (layers // full_every if full_every else layers // 2)
    cache = [{"layers": full, "kv_heads": kv, "head_dim": head}]
    if window:
        cache.append({"layers": layers - full, "kv_heads": kv, "head_dim": head, "window": window})
    return {"matrices": matrices, "small": small, "active": active_matrices + small, "cache": cache}


def stored(shape, bits, group=64):
    if bits >= 16:
        return (shape["matrices"] + shape["small"]) * bits // 8
    return int(shape["matrices"] * (bits + 32 / group) / 8) + shape["small"] * 2


LLAMA_8B = decoder(32, 4096, 14336, 32, 8, 128, 128256, False)
MODELS = [
    # name, family, tasks, context, licence, base, aka, shape, [(repo, bits)]
    ("llama-3.2-1b", "llama", ["chat", "speed"], 131072, "llama3.2", "meta-llama/Llama-3.2-1B-Instruct", ["llama3.2:1b"],
     decoder(16, 2048, 8192, 32, 8, 64, 128256, True),
     [("mlx-community/Llama-3.2-1B-Instruct-4bit", 4), ("mlx-community/Llama-3.2-1B-Instruct-8bit", 8), ("mlx-community/Llama-3.2-1B-Instruct-bf16", 16)]),
    ("llama-3.2-3b", "llama", ["chat"], 131072, "llama3.2", "meta-llama/Llama-3.2-3B-Instruct", ["llama3.2", "llama3.2:3b"],
     decoder(28, 3072, 8192, 24, 8, 128, 128256, True),
     [("mlx-community/Llama-3.2-3B-Instruct-4bit", 4), ("mlx-community/Llama-3.2-3B-Instruct-8bit", 8), ("mlx-community/Llama-3.2-3B-Instruct-bf16", 16)]),
    ("llama-3.1-8b", "llama", ["chat", "quality"], 131072, "llama3.1", "meta-llama/Llama-3.1-8B-Instruct",
     ["llama3.1", "llama3.1:8b", "Llama-3.1-8B-Instruct"], LLAMA_8B,
     [("mlx-community/Meta-Llama-3.1-8B-Instruct-4bit", 4), ("mlx-community/Meta-Llama-3.1-8B-Instruct-8bit", 8), ("mlx-community/Meta-Llama-3.1-8B-Instruct-bf16", 16)]),
    ("llama-3.3-70b", "llama", ["quality"], 131072, "llama3.3", "meta-llama/Llama-3.3-70B-Instruct", ["llama3.3"],
     decoder(80, 8192, 28672, 64, 8, 128, 128256, False),
     [("mlx-community/Llama-3.3-70B-Instruct-4bit", 4), ("mlx-community/Llama-3.3-70B-Instruct-8bit", 8)]),
    ("tinyllama", "llama", ["speed"], 2048, "apache-2.0", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", ["TinyLlama-1.1B-Chat-v1.0"],
     decoder(22, 2048, 5632, 32, 4, 64, 32000, False),
     [("mlx-community/TinyLlama-1.1B-Chat-v1.0-mlx", 16), ("mlx-community/TinyLlama-1.1B-Chat-v1.0-4bit", 4)]),
    ("smollm2-135m", "llama", ["speed"], 8192, "apache-2.0", "HuggingFaceTB/SmolLM2-135M-Instruct", [],
     decoder(30, 576, 1536, 9, 3, 64, 49152, True), [("HuggingFaceTB/SmolLM2-135M-Instruct", 16)]),
    ("smollm2-1.7b", "llama", ["speed"], 8192, "apache-2.0", "HuggingFaceTB/SmolLM2-1.7B-Instruct", [],
     decoder(24, 2048, 8192, 32, 32, 64, 49152, True), [("HuggingFaceTB/SmolLM2-1.7B-Instruct", 16)]),
    ("phi-3-mini", "phi3", ["chat"], 131072, "mit", "microsoft/Phi-3-mini-128k-instruct", ["Phi-3-mini-128k-instruct"],
     decoder(32, 3072, 8192, 32, 32, 96, 32064, False),
     [("mlx-community/Phi-3-mini-128k-instruct-4bit", 4), ("mlx-community/Phi-3-mini-128k-instruct-8bit", 8)]),
    ("phi-3.5-mini", "phi3", ["chat"], 131072, "mit", "microsoft/Phi-3.5-mini-instruct", ["Phi-3.5-mini-instruct", "Phi-3.5-mini-4k-instruct"],
     decoder(32, 3072, 8192, 32, 32, 96, 32064, False),
     [("mlx-community/Phi-3.5-mini-instruct-4bit", 4), ("mlx-community/Phi-3.5-mini-instruct-8bit", 8), ("mlx-community/Phi-3.5-mini-instruct-bf16", 16)]),
    ("phi-4", "phi3", ["quality"], 16384, "mit", "microsoft/phi-4", ["phi4"],
     decoder(40, 5120, 17920, 40, 10, 128, 100352, False), [("mlx-community/phi-4-4bit", 4), ("mlx-community/phi-4-8bit", 8)]),
    ("mistral-7b-v0.2", "mistral", ["chat"], 32768, "apache-2.0", "mistralai/Mistral-7B-Instruct-v0.2", ["Mistral-7B-Instruct-v0.2"],
     decoder(32, 4096, 14336, 32, 8, 128, 32000, False), [("mlx-community/Mistral-7B-Instruct-v0.2", 16), ("mlx-community/Mistral-7B-Instruct-v0.2-4bit", 4)]),
    ("mistral-7b", "mistral", ["chat"], 32768, "apache-2.0", "mistralai/Mistral-7B-Instruct-v0.3", ["mistral", "Mistral-7B-Instruct-v0.3"],
     decoder(32, 4096, 14336, 32, 8, 128, 32768, False), [("mlx-community/Mistral-7B-Instruct-v0.3-4bit", 4), ("mlx-community/Mistral-7B-Instruct-v0.3-8bit", 8)]),
    ("mistral-nemo", "mistral", ["chat", "quality"], 131072, "apache-2.0", "mistralai/Mistral-Nemo-Instruct-2407", [],
     decoder(40, 5120, 14336, 32, 8, 128, 131072, False), [("mlx-community/Mistral-Nemo-Instruct-2407-4bit", 4), ("mlx-community/Mistral-Nemo-Instruct-2407-8bit", 8)]),
    ("codellama-7b", "llama", ["code"], 16384, "llama2", "codellama/CodeLlama-7b-hf", ["CodeLlama-7b-Instruct", "codellama"],
     decoder(32, 4096, 11008, 32, 32, 128, 32016, False), [("mlx-community/CodeLlama-7b-mlx", 16)]),
    ("codellama-7b-python", "llama", ["code"], 16384, "llama2", "codellama/CodeLlama-7b-Python-hf", ["CodeLlama-7b-Python"],
     decoder(32, 4096, 11008, 32, 32, 128, 32000, False), [("mlx-community/CodeLlama-7b-Python-mlx", 16)]),
]


def qwen(name, family, tasks, aka, shape, base, bits, context=40960, licence="apache-2.0", stem=None):
    stem = stem or base.split("/")[1]
    repos = [(f"mlx-community/{stem}-{'bf16' if b == 16 else f'{b}bit'}", b) for b in bits]
    MODELS.append((name, family, tasks, context, licence, base, aka, shape, repos))


QWEN25 = 151936
for name, size, tasks, shape, tag in [
    ("0.5b", "0.5B", ["speed"], decoder(24, 896, 4864, 14, 2, 64, QWEN25, True), []),
    ("1.5b", "1.5B", ["chat", "speed"], decoder(28, 1536, 8960, 12, 2, 128, QWEN25, True), []),
    ("3b", "3B", ["chat"], decoder(36, 2048, 11008, 16, 2, 128, QWEN25, True), []),
    ("7b", "7B", ["chat"], decoder(28, 3584, 18944, 28, 4, 128, 152064, False), ["qwen2.5"]),
    ("14b", "14B", ["quality"], decoder(48, 5120, 13824, 40, 8, 128, 152064, False), []),
    ("32b", "32B", ["quality"], decoder(64, 5120, 27648, 40, 8, 128, 152064, False), []),
]:
    licence = "other" if size == "3B" else "apache-2.0"
    qwen(f"qwen2.5-{name}", "qwen2", tasks, tag, shape, f"Qwen/Qwen2.5-{size}-Instruct", (4, 8), 32768, licence)
    if size in ("1.5B", "7B", "14B", "32B"):
        qwen(f"qwen2.5-coder-{name}", "qwen2", ["code"], [], shape, f"Qwen/Qwen2.5-Coder-{size}-Instruct", (4, 8), 32768)

for name, size, tasks, shape in [
    ("0.6b", "0.6B", ["speed"], decoder(28, 1024, 3072, 16, 8, 128, QWEN25, True, qk_norm=True)),
    ("1.7b", "1.7B", ["chat", "speed"], decoder(28, 2048, 6144, 16, 8, 128, QWEN25, True, qk_norm=True)),
    ("4b", "4B", ["chat"], decoder(36, 2560, 9728, 32, 8, 128, QWEN25, True, qk_norm=True)),
    ("8b", "8B", ["chat", "quality"], decoder(36, 4096, 12288, 32, 8, 128, QWEN25, False, qk_norm=True)),
    ("14b", "14B", ["chat", "quality"], decoder(40, 5120, 17408, 40, 8, 128, QWEN25, False, qk_norm=True)),
    ("32b", "32B", ["quality"], decoder(64, 5120, 25600, 64, 8, 128, QWEN25, False, qk_norm=True)),
]:
    qwen(f"qwen3-{name}", "qwen3", tasks, ["qwen3"] if name == "8b" else [], shape, f"Qwen/Qwen3-{size}", (4, 8, 16))
QWEN3_MOE = decoder(48, 2048, 768, 32, 4, 128, QWEN25, False, experts=128, active=8, qk_norm=True)
qwen("qwen3-30b-a3b", "qwen3_moe", ["chat", "quality"], [], QWEN3_MOE, "Qwen/Qwen3-30B-A3B", (4, 8))
qwen("qwen3-coder-30b-a3b", "qwen3_moe", ["code"], ["qwen3-coder"], QWEN3_MOE, "Qwen/Qwen3-Coder-30B-A3B-Instruct", (4, 8), 262144)

MODELS += [
    ("gemma-2-2b", "gemma2", ["chat", "speed"], 8192, "gemma", "google/gemma-2-2b-it", ["gemma2:2b"],
     decoder(26, 2304, 9216, 8, 4, 256, 256000, True, window=4096), [("mlx-community/gemma-2-2b-it-4bit", 4), ("mlx-community/gemma-2-2b-it-8bit", 8)]),
    ("gemma-2-9b", "gemma2", ["chat", "quality"], 8192, "gemma", "google/gemma-2-9b-it", ["gemma2"],
     decoder(42, 3584, 14336, 16, 8, 256, 256000, True, window=4096), [("mlx-community/gemma-2-9b-it-4bit", 4), ("mlx-community/gemma-2-9b-it-8bit", 8)]),
    ("gemma-3-1b", "gemma3_text", ["speed"], 32768, "gemma", "google/gemma-3-1b-it", ["gemma3:1b"],
     decoder(26, 1152, 6912, 4, 1, 256, 262144, True, qk_norm=True, window=512, full_every=6),
     [("mlx-community/gemma-3-1b-it-4bit", 4), ("mlx-community/gemma-3-1b-it-8bit", 8), ("mlx-community/gemma-3-1b-it-bf16", 16)]),
    ("gpt-oss-20b", "gpt_oss", ["chat", "quality"], 131072, "apache-2.0", "openai/gpt-oss-20b", ["gpt-oss"],
     decoder(24, 2880, 2880, 64, 8, 64, 201088, False, experts=32, active=4, window=128) | {"bytes": 12_100_000_000},
     [("mlx-community/gpt-oss-20b-MXFP4-Q8", 4), ("openai/gpt-oss-20b", 4)]),
]
EMBED = [
    ("qwen3-embedding-0.6b", 0.6, decoder(28, 1024, 3072, 16, 8, 128, 151669, True, qk_norm=True)),
    ("qwen3-embedding-4b", 4, decoder(36, 2560, 9728, 32, 8, 128, 151665, True, qk_norm=True)),
    ("qwen3-embedding-8b", 8, decoder(36, 4096, 12288, 32, 8, 128, 151665, True, qk_norm=True)),
]
for name, size, shape in EMBED:
    size_name = f"{size}B"
    MODELS.append((name, "qwen3", ["embed"], 32768, "apache-2.0", f"Qwen/Qwen3-Embedding-{size_name}", [], shape,
                   [(f"mlx-community/Qwen3-Embedding-{size_name}-4bit-DWQ", 4), (f"Qwen/Qwen3-Embedding-{size_name}", 16)]))
    MODELS.append((name.replace("embedding", "reranker"), "qwen3", ["rerank"], 32768, "apache-2.0", f"Qwen/Qwen3-Reranker-{size_name}", [], shape,
                   [(f"Qwen/Qwen3-Reranker-{size_name}", 16)]))


def encoder(layers, width, ffn, vocab, positions):
    matrices = layers * (4 * width * width + 2 * width * ffn) + (vocab + positions + 2) * width + width * width
    small = layers * (9 * width + ffn) + 3 * width
    return {"matrices": matrices, "small": small, "active": matrices + small, "cache": []}


BGE_SMALL = encoder(12, 384, 1536, 30522, 512)
MODELS += [
    ("bge-small-en", "bert", ["embed"], 512, "mit", "BAAI/bge-small-en-v1.5", ["bge-small-en-v1.5"], BGE_SMALL,
     [("mlx-community/bge-small-en-v1.5-bf16", 16), ("mlx-community/bge-small-en-v1.5-4bit", 4)]),
    ("all-minilm-l6", "bert", ["embed"], 512, "apache-2.0", "sentence-transformers/all-MiniLM-L6-v2", ["all-MiniLM-L6-v2"], encoder(6, 384, 1536, 30522, 512),
     [("sentence-transformers/all-MiniLM-L6-v2", 32)]),
]

# What is no single language model: repositories with the files a pipeline loads.
DIFFUSERS = ["model_index.json", "scheduler/*", "text_encoder/*", "text_encoder_2/*", "tokenizer/*", "tokenizer_2/*", "transformer/*", "vae/*"]
PIPELINES = [
    {"name": "flux-schnell", "tasks": ["image"], "licence": "apache-2.0", "gated": True, "steps": 4,
     "repos": [{"repo": "black-forest-labs/FLUX.1-schnell", "bits": 16, "bytes": 33_730_000_000, "include": DIFFUSERS}]},
    {"name": "flux-dev", "tasks": ["image"], "licence": "flux-1-dev-non-commercial-license", "gated": True, "steps": 28,
     "repos": [{"repo": "black-forest-labs/FLUX.1-dev", "bits": 16, "bytes": 33_730_000_000, "include": DIFFUSERS}]},
    {"name": "flux-schnell-4bit", "tasks": ["image"], "licence": "apache-2.0", "gated": False, "steps": 4,
     "repos": [{"repo": "mzbac/flux1.schnell.4bit.mlx", "bits": 4, "bytes": 9_850_814_201,
                "include": ["metadata.json", "text_encoder/*", "text_encoder_2/*", "tokenizer/*", "tokenizer_2/*", "transformer/*", "vae/*"]}]},
]
MUSICGEN = ["config.json", "generation_config.json", "model*.safetensors", "model.safetensors.index.json", "preprocessor_config.json",
            "special_tokens_map.json", "spiece.model", "tokenizer.json", "tokenizer_config.json"]
PIPELINES += [
    {"name": f"musicgen-{size}", "tasks": ["music"], "licence": "cc-by-nc-4.0", "gated": False,
     "repos": [{"repo": f"facebook/musicgen-{size}", "bits": 32, "bytes": count, "include": MUSICGEN}], "needs": []}
    for size, count in (("small", 2_364_000_000), ("medium", 8_040_000_000))
]
PIPELINES.append({"name": "encodec-32khz", "tasks": ["codec"], "licence": "cc-by-nc-4.0", "gated": False,
                  "repos": [{"repo": "mlx-community/encodec-32khz-float32", "bits": 32, "bytes": 232_000_000,
                             "include": ["config.json", "model.safetensors", "model.safetensors.index.json"]}]})

# `pull flux --all` takes every member.
GROUPS = {
    "flux": ["flux-schnell", "flux-dev", "flux-schnell-4bit"],
    "musicgen": ["musicgen-small", "musicgen-medium", "encodec-32khz"],
    "qwen3-embedding": [name for name, _, _ in EMBED],
}

# Names that documents spread and the Hub does not have, with what was meant.
CORRECTIONS = {
    "mlx-community/CodeLlama-7b-Instruct-mlx": ["mlx-community/CodeLlama-7b-mlx", "mlx-community/CodeLlama-7b-Python-mlx"],
    "mlx-community/Llama-3.1-8B-Instruct-mlx": ["mlx-community/Meta-Llama-3.1-8B-Instruct-4bit", "mlx-community/Meta-Llama-3.1-8B-Instruct-bf16"],
    "mlx-community/Phi-3.5-mini-4k-instruct-mlx": ["mlx-community/Phi-3.5-mini-instruct-4bit", "mlx-community/Phi-3.5-mini-instruct-8bit",
                                                   "mlx-community/Phi-3.5-mini-instruct-bf16"],
    "mlx-community/Mistral-7B-Instruct-v0.2-mlx": ["mlx-community/Mistral-7B-Instruct-v0.2"],
    "mlx-community/Phi-3-mini-128k-instruct-mlx": ["mlx-community/Phi-3-mini-128k-instruct-4bit"],
}


def main():
    models = []
    for name, family, tasks, context, licence, base, aka, shape, repos in MODELS:
        models.append({
            "name": name, "family": family, "tasks": tasks, "licence": licence, "base": base, "aka": aka, "context": context,
            "parameters": shape["matrices"] + shape["small"], "active_parameters": shape["active"], "cache": shape["cache"],
            "repos": [{"repo": repo, "bits": bits, "bytes": shape.get("bytes") or stored(shape, bits)} for repo, bits in repos],
        })
    table = {"as_of": AS_OF, "models": models + PIPELINES, "groups": GROUPS, "corrections": CORRECTIONS}
    path = pathlib.Path(__file__).parents[2] / "assets" / "catalogue.json"
    path.write_text(dump(table) + "\n")


def dump(table):
    """One model a line: a diff shows what changed."""
    lines = ["{", f'  "as_of": {json.dumps(table["as_of"])},', '  "models": [']
    lines.append(",\n".join("    " + json.dumps(m) for m in table["models"]))
    lines.append("  ],")
    for key in ("groups", "corrections"):
        lines.append(f'  "{key}": {{')
        lines.append(",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in table[key].items()))
        lines.append("  }" + ("," if key == "groups" else ""))
    return "\n".join(lines + ["}"])


main()
