// The program behind main().
#pragma once

namespace pome::cli {

// Runs one command line and returns its exit code, from the table of errors.
int run_program(int argc, char** argv);

}  // namespace pome::cli
