"""Goldens of OLMo 3: `python tools/golden/olmo3.py [case…]`."""

from common import Case, affine, main, tiny, without

YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 32,
    "beta_fast": 8.0,
    "beta_slow": 1.0,
    "attention_factor": 1.2,
}
TYPES = ["sliding_attention", "full_attention", "sliding_attention"]
BASE = tiny(
    "olmo3", num_hidden_layers=3, sliding_window=8, layer_types=TYPES, rope_scaling=YARN, rope_theta=500000.0,
)
NEW_FORM = without(BASE, "rope_theta", "rope_scaling") | {
    "rope_parameters": {
        "full_attention": YARN | {"rope_theta": 500000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    }
}

CASES = {
    "plain": Case(
        BASE,
        dtype="bfloat16",
        sees=[{"sliding_window": 9}, {"rope_scaling": None}],
        mlx_lm="ignores attention_factor",
    ),
    "new_form": Case(NEW_FORM, dtype="bfloat16", mlx_lm="does not read rope_parameters"),
    "quantized_4bit": Case(without(BASE, "rope_scaling"), dtype="bfloat16", quantize=affine()),
}

main("olmo3", CASES)
