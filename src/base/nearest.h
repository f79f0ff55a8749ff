// "Did you mean …": the word of a list that a misspelt one was probably meant to be.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pome {

// Insertions, deletions, replacements and swaps of neighbours from one to the other. Time grows with the
// product of the lengths: bound those of strangers.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate with the smallest edit distance, the first of
// equals; nothing where even that one differs in more than a third of its letters, and at least two may.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace pome
