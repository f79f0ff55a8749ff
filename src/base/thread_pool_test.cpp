#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <fstream>
#include <numeric>
#include <stdexcept>

#include "base/scratch_folder.h"

namespace pome {
namespace {

TEST(ThreadPool, CoversEveryIndexOnce) {
  for (int threads : {1, 2, 3, 4, 9}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (std::int64_t count : {0, 1, 2, 7, 64, 1000}) {
      for (std::int64_t chunk : {1, 3, 64, 5000}) {
        std::vector<int> seen(static_cast<std::size_t>(count));
        pool.run(count, chunk, [&](std::int64_t begin, std::int64_t end, int worker) {
          EXPECT_LE(end - begin, chunk);
          EXPECT_GE(worker, 0);
          EXPECT_LT(worker, threads);
          for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        EXPECT_EQ(seen, std::vector<int>(seen.size(), 1)) << threads << " threads, chunk " << chunk;
      }
    }
  }
}

TEST(ThreadPool, ResultsOfOneLoopAreSeenByTheNext) {
  ThreadPool pool(4);
  std::vector<std::int64_t> a(512), b(512);
  std::iota(a.begin(), a.end(), 0);
  for (int round = 0; round < 2000; ++round) {
    pool.run(512, 16, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        b[static_cast<std::size_t>(i)] = a[static_cast<std::size_t>(511 - i)] + 1;
      }
    });
    std::swap(a, b);
  }
  for (int i = 0; i < 512; ++i) EXPECT_EQ(a[static_cast<std::size_t>(i)], i + 2000);
}

TEST(ThreadPool, WakesWorkersThatSleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // past the spinning
    std::atomic<int> sum = 0;
    pool.run(100, 1, [&](std::int64_t begin, std::int64_t, int) { sum += static_cast<int>(begin); });
    EXPECT_EQ(sum, 4950);
  }
}

TEST(ThreadPool, WaitsForAChunkThatOutlastsSpinning) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::vector<int> done(2);
    pool.run(2, 1, [&](std::int64_t begin, std::int64_t, int worker) {
      if (worker == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      done[static_cast<std::size_t>(begin)] = 1;
    });
    EXPECT_EQ(done, (std::vector<int>{1, 1}));
  }
}

TEST(ThreadPool, RethrowsAndGoesOn) {
  ThreadPool pool(4);
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(pool.run(64, 1,
                          [&](std::int64_t begin, std::int64_t, int) {
                            if (begin % 16 == 3) throw std::runtime_error("chunk");
                          }),
                 std::runtime_error);
    std::atomic<int> chunks = 0;
    pool.run(64, 1, [&](std::int64_t, std::int64_t, int) { ++chunks; });
    EXPECT_EQ(chunks, 64);
  }
}

TEST(ThreadPool, FetchesWhatIsAnnouncedWithoutReadingIt) {
  ThreadPool pool(3);
  const std::vector<char> there(1 << 16);
  const std::vector<Stretches> soon(
      3, {{{there.data(), there.size()}, {nullptr, 0}, {reinterpret_cast<const void*>(64), 4096}}});
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> sum = 0;
    pool.run(7, 1, [&](std::int64_t begin, std::int64_t, int) { sum += static_cast<int>(begin); }, soon);
    EXPECT_EQ(sum, 21);
  }
}

TEST(ThreadPool, DoesWithoutAWorkerThatKeepsBeingLate) {
  ThreadPool pool(3);
  std::vector<int> chunks_of(3);
  const auto loop = [&](std::chrono::microseconds delay) {
    std::fill(chunks_of.begin(), chunks_of.end(), 0);
    pool.run(3, 1, [&](std::int64_t, std::int64_t, int worker) {
      if (worker == 2) std::this_thread::sleep_for(delay);
      ++chunks_of[static_cast<std::size_t>(worker)];
    });
    EXPECT_EQ(chunks_of[0] + chunks_of[1] + chunks_of[2], 3);
  };
  EXPECT_EQ(pool.taking_part(), 3);
  while (pool.taking_part() == 3) loop(std::chrono::milliseconds(1));
  EXPECT_EQ(pool.taking_part(), 2);
  for (int i = 0; i < 3; ++i) {
    loop({});
    if (pool.taking_part() == 2) EXPECT_EQ(chunks_of[2], 0);
  }
  while (pool.taking_part() == 2) loop({});
  EXPECT_EQ(pool.taking_part(), 3);
}

TEST(ThreadPool, TakesTurnsBetweenCallers) {
  ThreadPool pool(3);
  std::int64_t guarded = 0;
  const auto caller = [&] {
    for (int round = 0; round < 200; ++round) {
      std::atomic<int> sum = 0;
      pool.run(10, 1, [&](std::int64_t, std::int64_t, int) { ++sum; });
      EXPECT_EQ(sum, 10);
      pool.run(1, 1, [&](std::int64_t, std::int64_t, int) { ++guarded; });
    }
  };
  std::thread other(caller);
  caller();
  other.join();
  EXPECT_EQ(guarded, 400);
}

TEST(ThreadPool, QuotasOfBothCgroupVersionsBind) {
  const ScratchFolder folder;
  const auto write = [&](const std::string& name, const std::string& text) {
    fs::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name) << text;
  };
  const auto processors = [&](const std::string& own) {
    write("own", own);
    return cgroup_processors((folder.path() / "own").string(), folder.path().string());
  };
  EXPECT_GT(processors("0::/a/b\n"), 1000) << "no file, no quota";
  write("a/b/cpu.max", "max 100000\n");
  EXPECT_GT(processors("0::/a/b\n"), 1000);
  write("a/cpu.max", "250000 100000\n");
  EXPECT_EQ(processors("0::/a/b\n"), 3) << "two and a half, of the group above";
  write("a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(processors("0::/a/b\n"), 1);
  EXPECT_GT(processors("0::relative\n"), 1000);

  write("cpu/c/cpu.cfs_quota_us", "-1\n");
  write("cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_GT(processors("4:cpu,cpuacct:/c\n1:name=systemd:/a\n"), 1000);
  write("cpu/c/cpu.cfs_quota_us", "200000\n");
  EXPECT_EQ(processors("5:memory:/\n4:cpu,cpuacct:/c\n"), 2);
  EXPECT_GT(processors("4:cpuset:/c\n"), 1000);
}

TEST(ThreadPool, DefaultIsNoMoreThanTheMachineHas) {
  EXPECT_GE(default_threads(), 1);
  EXPECT_LE(default_threads(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace pome
