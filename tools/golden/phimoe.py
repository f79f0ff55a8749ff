"""Goldens of Phi-3.5-MoE: `python tools/golden/phimoe.py [case…]`."""

from common import Case, affine, main, new_form, tiny

FACTORS = [1.0 + 0.25 * i for i in range(4)]
LONGROPE = {
    "type": "longrope",
    "short_factor": FACTORS,
    "long_factor": [2.0 * f for f in FACTORS],
    "short_mscale": 1.25,
    "long_mscale": 1.5,
    "original_max_position_embeddings": 96,
}
BASE = tiny(
    "phimoe",
    num_local_experts=4,
    num_experts_per_tok=2,
    router_jitter_noise=0.2,
    input_jitter_noise=0.0,
    attention_bias=True,
    lm_head_bias=True,
    rope_scaling=None,
)
LONG = "takes the long factors always"

CASES = {
    "plain": Case(BASE, dtype="bfloat16", layout="hub", weights="plainly", sees=[{"router_jitter_noise": 0.01}]),
    "longrope": Case(
        # Two experts are chosen, whatever the config says.
        BASE | {"rope_scaling": LONGROPE, "original_max_position_embeddings": 96, "num_experts_per_tok": 3},
        dtype="bfloat16",
        layout="hub",
        mlx_lm=LONG,
    ),
    "quantized_4bit": Case(
        BASE | {"attention_bias": False, "lm_head_bias": False}, dtype="bfloat16", quantize=affine(), layout="hub", mlx_lm="wants the biases"
    ),
}

main("phimoe", CASES)
