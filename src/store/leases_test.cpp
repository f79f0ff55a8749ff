#include "store/leases.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "store/fake_store.h"

namespace pome::store {
namespace {

TEST(Leases, CountWhileTheyAreHeld) {
  const FakeStore store;
  EXPECT_TRUE(leases_in_use(store.paths).empty());
  EXPECT_EQ(last_opened(store.paths, store.scratch.path()), Time{});
  auto lease = Lease::acquire(store.paths, "org/tiny", store.scratch.path());
  ASSERT_NE(lease, nullptr);
  const auto in_use = leases_in_use(store.paths);
  ASSERT_EQ(in_use.size(), 1u);
  EXPECT_EQ(in_use[0].model, "org/tiny");
  EXPECT_EQ(in_use[0].process, ::getpid());
  EXPECT_FALSE(in_use[0].program.empty());
  EXPECT_EQ(in_use[0].folder, fs::canonical(store.scratch.path()));
  EXPECT_GT(last_opened(store.paths, store.scratch.path()), Time{});
  lease.reset();
  EXPECT_TRUE(leases_in_use(store.paths).empty());
}

TEST(Leases, OfAKilledProcessProtectNothing) {
  const FakeStore store;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lease = Lease::acquire(store.paths, "org/tiny", store.scratch.path());
    static_cast<void>(::write(ready[1], lease ? "y" : "n", 1));
    ::pause();
    ::_exit(0);
  }
  char got = 0;
  ASSERT_EQ(::read(ready[0], &got, 1), 1);
  EXPECT_EQ(got, 'y');
  EXPECT_EQ(leases_in_use(store.paths).size(), 1u);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(fs::is_empty(store.paths.state / "leases"));
  EXPECT_TRUE(leases_in_use(store.paths).empty());
  for (const auto& entry : fs::directory_iterator(store.paths.state / "leases")) {
    EXPECT_NE(entry.path().extension(), ".json");
  }
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(Leases, AModelOpensWhereNothingCanBeWritten) {
  FakeStore store;
  store.paths.state = "/proc/nowhere";
  EXPECT_EQ(Lease::acquire(store.paths, "org/tiny", store.scratch.path()), nullptr);
}

TEST(Leases, StrangersFilesAreChecked) {
  const std::string good =
      R"({"format_version":1,"process":7,"program":"pome","model":"m","folder":"/m","since":1})";
  EXPECT_EQ(parse_lease(good, "x").process, 7);
  for (const char* bad :
       {"", "[]", "{}", R"({"format_version":2,"process":7,"folder":"/m"})",
        R"({"format_version":1,"process":0,"folder":"/m"})", R"({"format_version":1,"process":7})",
        R"({"format_version":1,"process":7,"folder":"/m","since":-1})",
        R"({"format_version":1,"process":7,"folder":"/m","since":9223372036854775807})"}) {
    EXPECT_THROW(parse_lease(bad, "x"), Error) << bad;
  }
}

}  // namespace
}  // namespace pome::store
