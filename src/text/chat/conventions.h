// The values that the files of this folder end in, for the table in convention.cpp.
#pragma once

#include "text/chat/convention.h"

namespace pome::text::chat {

extern const Convention harmony, cohere, muse_spark, kimi_k3;
extern const Convention think, seed_think, longcat_think, think_start, mistral_think, gemma4_think,
    granite_think, granite_33_think;
extern const Convention minimax_m2, gemma4, function_gemma, longcat, glm47, pythonic, llama4, qwen3_coder,
    seed_tools, kimi_k2, minicpm5, mistral, deepseek, deepseek_v32, phi4, granite, nemotron, llama3,
    json_tools;

// {"name", "arguments"} one after another, or a list of them: what several conventions have inside of their
// tags.
std::vector<ToolCall> read_json_calls(std::string_view block, const Json& tools);

}  // namespace pome::text::chat
