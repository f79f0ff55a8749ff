"""Goldens of Qwen3 with mixtures of experts: `python tools/golden/qwen3_moe.py [case…]`."""

from common import Case, affine, main, new_form, tiny

BASE = tiny(
    "qwen3_moe",
    num_hidden_layers=3,
    head_dim=16,
    moe_intermediate_size=32,
    num_experts=6,
    num_experts_per_tok=2,
    norm_topk_prob=True,
    decoder_sparse_step=1,
    mlp_only_layers=[1],
    attention_bias=False,
    router_aux_loss_coef=0.001,
)

CASES = {
    "published": Case(BASE, dtype="bfloat16", layout="hub", sees=[{"norm_topk_prob": False}, {"num_experts_per_tok": 1}]),
    "mlx": Case(BASE | {"norm_topk_prob": False, "tie_word_embeddings": True}, dtype="bfloat16", layout="mlx"),
    "new_form": Case(
        new_form(BASE | {"attention_bias": True, "decoder_sparse_step": 2, "mlp_only_layers": []}),
        dtype="bfloat16",
        layout="hub",
        mlx_lm="does not read rope_parameters",
    ),
    "quantized_4bit": Case(BASE, dtype="bfloat16", quantize=affine(), layout="mlx"),
    "quantized_8bit": Case(BASE, dtype="float16", quantize=affine(8), layout="hub", mlx_lm="takes stacked codes only"),
}

main("qwen3_moe", CASES)
