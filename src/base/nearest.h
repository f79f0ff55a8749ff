// "Did you mean …": the word of a list that a misspelt one was probably meant to be.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pome {

// The candidate with the smallest edit distance (insert, delete, replace, swap of neighbours), the first of
// equals; nothing where even that one differs in more than a third of its letters, and at least two may.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace pome
