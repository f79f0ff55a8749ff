// What rm and clean have in common: the plan is shown, and carried out when that is asked for.
#pragma once

#include "cli/options.h"
#include "services/cleanup.h"

namespace pome::cli {

struct Deletion {
  bool apply = false, yes = false, json = false;
  bool named = false;  // the user named what goes: that something stays is an error
};

// --apply, --yes, --json
void declare_deletion(Options& options, Deletion& deletion);

// Prints the plan. With --apply deletes, after a question on a terminal unless --yes; without a terminal
// --yes is needed. Throws Error(usage, interrupted) and what services::apply throws.
void carry_out(const Deletion& deletion, const std::function<services::CleanPlan()>& make_plan,
               const store::Paths& paths);

}  // namespace pome::cli
