#include "cli/program.h"

int main(int argc, char** argv) { return pome::cli::run_program(argc, argv); }
