"""Goldens of Granite 4: `python tools/golden/granitemoehybrid.py [case…]`."""

from common import Case, affine, main, new_form, tiny, without

BASE = tiny("granitemoehybrid") | {
    "intermediate_size": 32,
    "shared_intermediate_size": 64,
    "layer_types": ["mamba", "attention"],
    "attention_bias": False,
    "attention_multiplier": 0.2,
    "embedding_multiplier": 3.0,
    "residual_multiplier": 0.6,
    "logits_scaling": 2.0,
    "num_local_experts": 5,
    "num_experts_per_tok": 2,
    "position_embedding_type": "nope",
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 20,
    "mamba_d_conv": 4,
    "mamba_n_groups": 1,
    "mamba_expand": 2,
    "mamba_chunk_size": 16,
    "mamba_conv_bias": True,
    "mamba_proj_bias": False,
}
DENSE = BASE | {"num_local_experts": 0, "num_experts_per_tok": 0, "position_embedding_type": "rope"}

# By its names in files and in transformers.
ROUTER = {f"model.layers.0.block_sparse_moe.router{n}": {"group_size": 32, "bits": 8} for n in ("", ".layer")}

CASES = {
    "published": Case(
        BASE,
        dtype="bfloat16",
        layout="hub",
        sees=[{"position_embedding_type": "rope"}, {"embedding_multiplier": 1.0}, {"attention_multiplier": 0.3}],
    ),
    "dense_rope": Case(
        new_form(DENSE) | {"layer_types": ["linear_attention", "full_attention"], "mamba_proj_bias": True, "mamba_n_groups": 2},
        dtype="bfloat16",
        layout="hub",
        sees=[{"position_embedding_type": None}],
        mlx_lm="does not know these layer types",
    ),
    "mlx_4bit": Case(BASE, dtype="bfloat16", layout="mlx", quantize=affine(4, **ROUTER)),
    "dense_mlx": Case(DENSE | {"intermediate_size": 64}, dtype="bfloat16", layout="mlx"),
}

main("granitemoehybrid", CASES)
