"""Goldens of Nemotron 4: `python tools/golden/nemotron.py [case…]`."""

from common import Case, affine, main, new_form, tiny, without

BASE = without(
    tiny("nemotron", head_dim=16, norm_eps=0.01, partial_rotary_factor=0.5, hidden_act="relu2"), "rms_norm_eps",
)


def draw(name, shape, rng):
    """Norms are stored less one."""
    return rng.normal(0, 0.4, shape) if "norm" in name and name.endswith("weight") else None


CASES = {
    "plain": Case(BASE, dtype="bfloat16", sees=[{"partial_rotary_factor": 1.0}]),
    "new_form": Case(
        new_form(BASE | {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
        dtype="bfloat16",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine()),
}

main("nemotron", CASES, draw)
