#include "kernels/isa.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace pome::kernels {
namespace {

TEST(Isa, LevelsRiseAndScalarIsAlwaysThere) {
  ASSERT_FALSE(isa_table().empty());
  EXPECT_EQ(isa_table().front().isa, Isa::scalar);
  EXPECT_TRUE(isa_table().front().executable());
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < isa_table().size(); ++i) {
    const IsaRow& row = isa_table()[i];
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(isa_name(row.isa), row.name);
    if (i > 0) EXPECT_LT(isa_table()[i - 1].isa, row.isa);
    // What a level executes includes everything below it, but for one with instructions that AVX-512 encodes
    // anew.
    if (i > 0 && row.executable() && isa_table()[i - 1].name != "avxvnni") {
      EXPECT_TRUE(isa_table()[i - 1].executable());
    }
  }
}

TEST(Isa, TheActiveLevelIsExecutable) { EXPECT_TRUE(executes(active_isa())); }

TEST(Isa, ChoosesTheHighestRowOfAnOperation) {
  struct Row {
    Isa isa;
  };
  const Row rows[] = {{Isa::scalar}, {Isa::avx512vnni}};
  EXPECT_EQ(choose_row(std::span<const Row>(rows), Isa::avx2).isa, Isa::scalar);
  EXPECT_EQ(choose_row(std::span<const Row>(rows), Isa::avx512vnni).isa, Isa::avx512vnni);
}

// Each in a process of its own, since the level is decided once.
int name_of_choice(const char* wanted) {
  setenv("POME_ISA", wanted, 1);
  try {
    return static_cast<int>(active_isa());
  } catch (const Error& error) {
    return 100 + static_cast<int>(error.kind());
  }
}

TEST(IsaDeathTest, EnvironmentForcesALevel) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::exit(name_of_choice("scalar")), testing::ExitedWithCode(static_cast<int>(Isa::scalar)),
              "");
  EXPECT_EXIT(std::exit(name_of_choice("sse9")),
              testing::ExitedWithCode(100 + static_cast<int>(ErrorKind::usage)), "");
  for (const IsaRow& row : isa_table()) {
    if (row.executable()) continue;
    EXPECT_EXIT(std::exit(name_of_choice(row.name.data())),
                testing::ExitedWithCode(100 + static_cast<int>(ErrorKind::unsupported)), "")
        << row.name;
  }
}

}  // namespace
}  // namespace pome::kernels
