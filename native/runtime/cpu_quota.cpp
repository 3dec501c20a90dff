#include "runtime/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace altclip {

namespace {

using Quota = std::optional<double>;

/// Microseconds of CPU time in a period. "max" and -1, which mean no limit, are no positive number.
Quota quota_of(std::istream & quota, std::istream & period) {
    double n_quota = 0, n_period = 0;
    if (!(quota >> n_quota) || !(period >> n_period) || n_quota <= 0 || n_period <= 0) return std::nullopt;
    return n_quota / n_period;
}

Quota quota_v2(const std::string & group) {
    std::ifstream file(group + "/cpu.max");
    return quota_of(file, file);
}

Quota quota_v1(const std::string & group) {
    std::ifstream quota(group + "/cpu.cfs_quota_us"), period(group + "/cpu.cfs_period_us");
    return quota_of(quota, period);
}

Quota least(Quota a, Quota b) {
    return a && b ? std::min(*a, *b) : a ? a : b;
}

/// Of `group` ("/a/b") below the mount point and every group above it: each limits what is below. A container often
/// sees its own group mounted as the topmost, while the path is the host's: what does not exist is passed over.
Quota quota_upwards(const std::string & mount, std::string group, Quota (*quota)(const std::string &)) {
    Quota result = quota(mount);
    while (group.size() > 1) {
        result = least(result, quota(mount + group));
        group.erase(group.rfind('/'));
    }
    return result;
}

}  // namespace

std::optional<double> cpu_quota(const std::string & root) {
    const std::string mount = root + "/sys/fs/cgroup";
    Quota result;
    std::ifstream groups(root + "/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {  // "0::/path" or "4:cpu,cpuacct:/path"
        std::istringstream parts(line);
        std::string id, controllers, group;
        std::getline(parts, id, ':');
        std::getline(parts, controllers, ':');
        std::getline(parts, group);
        if (group.empty() || group[0] != '/') continue;
        if (controllers.empty()) {
            result = least(result, quota_upwards(mount, group, quota_v2));
        } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
            result = least(result, quota_upwards(mount + "/" + controllers, group, quota_v1));
            result = least(result, quota_upwards(mount + "/cpu", group, quota_v1));
        }
    }
    return result;
}

}  // namespace altclip
