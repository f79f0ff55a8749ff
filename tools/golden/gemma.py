"""Goldens of Gemma 1: `python tools/golden/gemma.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny("gemma", head_dim=16, hidden_act="gelu_pytorch_tanh", tie_word_embeddings=True)


def draw(name, shape, rng):
    """Norms are stored less one; embeddings are scaled up."""
    if "embed_tokens" in name:
        return rng.normal(0, 0.08, shape)
    return rng.normal(0, 0.4, shape) if "norm" in name else None


CASES = {
    "plain": Case(BASE, dtype="bfloat16", mlx_lm="computes the exact GELU"),
    "new_form": Case(
        new_form(BASE | {"hidden_act": "gelu", "attention_bias": True}),
        dtype="bfloat16",
        mlx_lm="computes the exact GELU, reads no biases",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), mlx_lm="computes the exact GELU"),
}

main("gemma", CASES, draw)
