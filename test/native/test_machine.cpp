// The CPU quota of control groups, from files as Docker, Kubernetes and systemd leave them, and the threads it allows.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "runtime/cpu_quota.h"
#include "runtime/machine.h"
#include "test_convert_support.h"

using namespace altclip;

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

/// A root folder with the given files, gone at the end of the test.
class FakeRoot {
public:
    explicit FakeRoot(const Files & files) {
        for (const auto & [name, content] : files) {
            const std::filesystem::path file = std::filesystem::u8path(folder_.file(name));
            std::filesystem::create_directories(file.parent_path());
            std::ofstream(file) << content;
        }
    }
    std::string path() const { return folder_.path(); }

private:
    const support::TemporaryFolder folder_;
};

double quota(const FakeRoot & root) {
    return cpu_quota(root.path()).value_or(-1);
}

const std::string v1 = "3:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n0::/system.slice\n";

}  // namespace

TEST("a container sees its own group of version 2 as the topmost") {
    const FakeRoot root(Files{{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "150000 100000\n"}});
    CHECK_NEAR(quota(root), 1.5, 0);
}

TEST("the least limit of the group and those above it counts") {
    const FakeRoot root(Files{{"proc/self/cgroup", "0::/user.slice/user-1.slice/run.scope\n"},
                              {"sys/fs/cgroup/user.slice/cpu.max", "100000 50000\n"},
                              {"sys/fs/cgroup/user.slice/user-1.slice/cpu.max", "max 100000\n"},
                              {"sys/fs/cgroup/user.slice/user-1.slice/run.scope/cpu.max", "300000 100000\n"}});
    CHECK_NEAR(quota(root), 2, 0);
}

TEST("version 1, by the host's path or as the topmost, at either mount point") {
    for (const std::string at : {"cpu,cpuacct/docker/abc", "cpu,cpuacct", "cpu/docker/abc", "cpu"}) {
        const FakeRoot root(Files{{"proc/self/cgroup", v1},
                                  {"sys/fs/cgroup/" + at + "/cpu.cfs_quota_us", "50000\n"},
                                  {"sys/fs/cgroup/" + at + "/cpu.cfs_period_us", "100000\n"}});
        CHECK_NEAR(quota(root), 0.5, 0);
    }
}

TEST("no limit, and files that say nothing") {
    CHECK(!cpu_quota(FakeRoot(Files{{"nothing", ""}}).path()));
    CHECK(!cpu_quota(FakeRoot(Files{{"proc/self/cgroup", "0::/\n"}}).path()));
    CHECK(
        !cpu_quota(FakeRoot(Files{{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "max 100000\n"}}).path()));
    for (const std::string content : {"", "0 0", "-1 100000", "much", "5", "nan nan"}) {
        const FakeRoot root(Files{{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", content}});
        CHECK(!cpu_quota(root.path()));
    }
    for (const std::string groups : {"", "0", "0:", "0::", "0::relative", ":::::\n\n:", "1:cpu:"}) {
        CHECK(!cpu_quota(FakeRoot(Files{{"proc/self/cgroup", groups}}).path()));
    }
    CHECK(!cpu_quota(FakeRoot(Files{{"proc/self/cgroup", v1},
                                    {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                                    {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}})
                         .path()));
}

TEST("threads: physical cores, or what the quota allows of them, at least one") {
    const auto threads = [](const std::string & max) {
        const FakeRoot root(Files{{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", max}});
        return n_default_threads(root.path());
    };
    const int n_cores = n_physical_cores();
    CHECK(n_cores >= 1);
    CHECK(threads("max 100000") == n_cores);
    CHECK(threads("100000000 100000") == n_cores);
    CHECK(threads("10000 100000") == 1);
    CHECK(threads("100000 100000") == 1);
    CHECK(threads("190000 100000") == std::min(2, n_cores));
}
