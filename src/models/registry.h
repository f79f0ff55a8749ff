// One line per family: its declaration here, its row in registry.cpp.
#pragma once

#include "models/model.h"

namespace pome::models {

extern const Arch llama_arch;
extern const Arch qwen2_arch;
extern const Arch qwen3_arch;
extern const Arch gemma_arch;
extern const Arch gemma3_arch;
extern const Arch phi_arch;
extern const Arch phi3_arch;
extern const Arch olmo2_arch;
extern const Arch olmo3_arch;
extern const Arch glm_arch;
extern const Arch glm4_arch;
extern const Arch smollm3_arch;
extern const Arch granite_arch;
extern const Arch seed_oss_arch;
extern const Arch ernie4_5_arch;
extern const Arch exaone4_arch;
extern const Arch starcoder2_arch;
extern const Arch cohere_arch;
extern const Arch cohere2_arch;
extern const Arch ministral3_arch;
extern const Arch hunyuan_v1_dense_arch;
extern const Arch stablelm_arch;
extern const Arch helium_arch;
extern const Arch nemotron_arch;
extern const Arch apertus_arch;
extern const Arch gemma2_arch;
extern const Arch qwen3_moe_arch;
extern const Arch qwen2_moe_arch;
extern const Arch mixtral_arch;
extern const Arch gpt_oss_arch;
extern const Arch olmoe_arch;
extern const Arch minimax_m2_arch;
extern const Arch glm4_moe_arch;

}  // namespace pome::models
