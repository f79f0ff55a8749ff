"""Goldens of Granite 3 with mixtures of experts: `python tools/golden/granitemoe.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "granitemoe",
    num_local_experts=4,
    num_experts_per_tok=2,
    embedding_multiplier=12.0,
    attention_multiplier=0.2,
    residual_multiplier=0.22,
    logits_scaling=8.0,
    attention_bias=False,
    rope_scaling=None,
)


def draw(name, shape, rng):
    """Embeddings are scaled up."""
    return rng.normal(0, 0.02, shape) if "embed_tokens" in name else None


CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"residual_multiplier": 1.0}, {"num_experts_per_tok": 1}]),
    "new_form": Case(
        new_form(BASE | {"attention_bias": True, "tie_word_embeddings": True}),
        dtype="bfloat16",
        layout="hub",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="mlx"),
}

main("granitemoe", CASES, draw)
