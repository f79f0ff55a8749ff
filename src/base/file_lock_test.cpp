#include "base/file_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scratch_folder.h"

namespace pome {
namespace {

TEST(FileLock, OneAtATimeOrManyReaders) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path() / "x.lock";
  {
    const auto held = FileLock::try_lock(file);
    ASSERT_TRUE(held);
    EXPECT_FALSE(FileLock::try_lock(file));
    EXPECT_FALSE(FileLock::try_lock(file, FileLock::Mode::shared));
    int asked = 0;
    EXPECT_FALSE(FileLock::lock(file, [&] { return ++asked < 2; }));
    EXPECT_EQ(asked, 2);
  }
  const auto reader = FileLock::try_lock(file, FileLock::Mode::shared);
  EXPECT_TRUE(reader);
  EXPECT_TRUE(FileLock::try_lock(file, FileLock::Mode::shared));
  EXPECT_FALSE(FileLock::try_lock(file));
}

TEST(FileLock, ALockEndsWithItsProcess) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path() / "x.lock";
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto held = FileLock::try_lock(file);
    static_cast<void>(!::write(ready[1], held ? "y" : "n", 1));
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_FALSE(FileLock::try_lock(file));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock::try_lock(file));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(FileLock, LinksAreNotFollowedAndFoldersNotMade) {
  const ScratchFolder scratch;
  fs::create_symlink(scratch.path() / "elsewhere", scratch.path() / "x.lock");
  EXPECT_THROW(FileLock::try_lock(scratch.path() / "x.lock"), Error);
  EXPECT_FALSE(fs::exists(scratch.path() / "elsewhere"));
  EXPECT_THROW(FileLock::try_lock(scratch.path() / "none" / "x.lock"), Error);
}

}  // namespace
}  // namespace pome
