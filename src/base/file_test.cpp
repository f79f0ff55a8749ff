#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/error.h"
#include "base/scratch_folder.h"

namespace pome {
namespace {

ErrorKind kind_thrown(auto&& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::internal;
}

TEST(File, WriteThenReadAndMap) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "a.txt";
  write_file_atomic(path, "first");
  write_file_atomic(path, "second");
  EXPECT_EQ(read_file(path), "second");
  const auto mapped = MappedFile::open(path);
  EXPECT_EQ(mapped->bytes().size(), 6u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(File, MapsAnEmptyFile) {
  const ScratchFolder folder;
  write_file_atomic(folder.path() / "empty", "");
  EXPECT_TRUE(MappedFile::open(folder.path() / "empty")->bytes().empty());
}

TEST(File, NamesWhatIsWrong) {
  const ScratchFolder folder;
  EXPECT_EQ(kind_thrown([&] { read_file(folder.path() / "none"); }), ErrorKind::not_found);
  EXPECT_EQ(kind_thrown([&] { MappedFile::open(folder.path()); }), ErrorKind::unsupported);
  EXPECT_EQ(kind_thrown([&] { write_file_atomic(folder.path() / "no" / "file", "x"); }),
            ErrorKind::not_found);
  const fs::path fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(kind_thrown([&] { read_file(fifo); }), ErrorKind::unsupported);
  write_file_atomic(folder.path() / "big", std::string(100, 'x'));
  EXPECT_EQ(kind_thrown([&] { read_file(folder.path() / "big", 99); }), ErrorKind::resource);
}

TEST(File, AbandonedFileLeavesNoTrace) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "a";
  write_file_atomic(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
  }
  EXPECT_EQ(read_file(path), "old");
  {
    AtomicFile file(path);
    file.write("ne");
    file.write("w");
    file.commit();
  }
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(File, LinksDevicesAndFoldersKeepTheirNames) {
  const ScratchFolder folder;
  const fs::path file = folder.path() / "a.txt", link = folder.path() / "link", pipe = folder.path() / "pipe";
  write_file_atomic(file, "old");
  fs::create_symlink("a.txt", link);
  write_file_atomic(link, "new");
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read_file(file), "new");

  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file_atomic(pipe, "piped");
  char got[8] = {};
  EXPECT_EQ(::read(reader, got, sizeof got), 5);
  EXPECT_STREQ(got, "piped");
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(pipe));

  EXPECT_EQ(kind_thrown([&] { write_file_atomic(folder.path(), "x"); }), ErrorKind::usage);
}

TEST(File, ShellWordsAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(shell_word("models/a-1.gguf"), "models/a-1.gguf");
  EXPECT_EQ(shell_word("my model.gguf"), "'my model.gguf'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("$(rm)"), "'$(rm)'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(File, FullDiskLeavesTheOldContent) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "kept";
  write_file_atomic(path, "old");
  struct rlimit_guard {
    rlimit old{};
    explicit rlimit_guard(rlim_t bytes) {
      ::getrlimit(RLIMIT_FSIZE, &old);
      const rlimit limit{bytes, old.rlim_max};
      ::signal(SIGXFSZ, SIG_IGN);
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~rlimit_guard() { ::setrlimit(RLIMIT_FSIZE, &old); }
  };
  {
    const rlimit_guard guard(10);
    EXPECT_EQ(kind_thrown([&] { write_file_atomic(path, std::string(100, 'n')); }), ErrorKind::resource);
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace pome
