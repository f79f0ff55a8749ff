"""Goldens of Gemma 2: `python tools/golden/gemma2.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "gemma2",
    head_dim=16,
    hidden_activation="gelu_pytorch_tanh",
    tie_word_embeddings=True,
    query_pre_attn_scalar=24,
    sliding_window=8,
    attn_logit_softcapping=1.5,
    final_logit_softcapping=2.0,
)
CAPS = [{"attn_logit_softcapping": None}, {"final_logit_softcapping": None}]


def draw(name, shape, rng):
    """Norms are stored less one; embeddings are scaled up."""
    if "embed_tokens" in name:
        return rng.normal(0, 0.08, shape)
    return rng.normal(0, 0.4, shape) if "norm" in name else None


CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"sliding_window": 9}, *CAPS], mlx_lm="ignores the window"),
    "new_form": Case(
        new_form(BASE | {"layer_types": ["full_attention", "sliding_attention"], "final_logit_softcapping": None}),
        dtype="bfloat16",
        mlx_lm="ignores the window",
    ),
    "quantized_4bit": Case(BASE | {"sliding_window": 64}, dtype="bfloat16", quantize=affine()),
}

main("gemma2", CASES, draw)
