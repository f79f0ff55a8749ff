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


def mlx(hub):
    """As mlx-lm saves the wrapped model: experts [experts, out, in], gate and up apart."""
    out = {}
    for name, value in hub.items():
        if name.endswith("experts.gate_up_proj"):
            for part, half in zip(("gate", "up"), value.transpose(1, 2).chunk(2, dim=1)):
                out[f"language_model.{name.replace('gate_up', part)}.weight"] = half.contiguous()
        elif name.endswith("experts.down_proj"):
            out[f"language_model.{name}.weight"] = value.transpose(1, 2).contiguous()
        else:
            out[f"language_model.{name}"] = value
    return out


# As published: of its text model's keys the wrapper repeats one.
WRAPPER = {
    "architectures": ["Llama4ForConditionalGeneration"],
    "model_type": "llama4",
    "boi_token_index": 70,
    "eoi_token_index": 71,
    "image_token_index": 72,
    "tie_word_embeddings": False,
    "vocab_size": 80,
    "text_config": BASE,
    "vision_config": {"model_type": "llama4_vision_model", "hidden_size": 8},
}

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
    "wrapped_mlx": Case(WRAPPER, dtype="bfloat16", layout=mlx, mlx_lm="fixes the epsilon of QK norm, and chunks in caches only"),
}

main("llama4_text", CASES)
