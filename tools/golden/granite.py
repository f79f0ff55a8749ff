"""Goldens of Granite 3: `python tools/golden/granite.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "granite",
    embedding_multiplier=12.0,
    attention_multiplier=0.2,
    residual_multiplier=0.22,
    logits_scaling=8.0,
    attention_bias=False,
    mlp_bias=False,
    rope_scaling=None,
)
ONES = [{k: 1.0} for k in ["embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"]]



def draw(name, shape, rng):
    """Embeddings are scaled up."""
    return rng.normal(0, 0.02, shape) if "embed_tokens" in name else None


CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=ONES),
    "new_form": Case(
        new_form(BASE | {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("granite", CASES, draw)
