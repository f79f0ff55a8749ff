"""Goldens of Llama 4, text: `python tools/golden/llama4_text.py [case…]`."""

from common import Case, main, new_form, tiny

BASE = tiny(
    "llama4_text",
    num_hidden_layers=4,
    head_dim=16,
    intermediate_size=32,
    intermediate_size_mlp=64,
    num_local_experts=3,
    num_experts_per_tok=1,
    interleave_moe_layer_step=2,
    no_rope_layers=[1, 1, 0, 1],
    attention_chunk_size=16,
    attn_temperature_tuning=True,
    floor_scale=8,
    attn_scale=0.5,
    use_qk_norm=True,
    rope_theta=500000.0,
    rope_scaling=None,
)
WRAPPED = "its text model is not a model of its own"


def published(hub):
    """The names that the wrapped model's files have behind their prefix."""
    return hub


CASES = {
    "published": Case(
        BASE,
        dtype="bfloat16",
        layout=published,
        sees=[{"attention_chunk_size": 17}, {"attn_scale": 0.1}, {"use_qk_norm": False}],
        mlx_lm=WRAPPED,
    ),
    "two_experts": Case(
        new_form(BASE | {"num_experts_per_tok": 2, "interleave_moe_layer_step": 1, "use_qk_norm": False, "attn_temperature_tuning": False}),
        dtype="bfloat16",
        layout=published,
        mlx_lm=WRAPPED,
    ),
}

main("llama4_text", CASES)
