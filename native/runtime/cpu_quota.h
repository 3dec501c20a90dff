// How much CPU time a container lets its processes have.
#pragma once

#include <optional>
#include <string>

namespace altclip {

/// Cores' worth of CPU time that this process's control group and those above it allow, the least of their limits:
/// cpu.max of version 2, cpu.cfs_quota_us over cpu.cfs_period_us of version 1. Nothing where there is no limit, or no
/// control groups; files that cannot be read, or read as no quota, count as no limit. `root` is put before /proc and
/// /sys, for tests.
std::optional<double> cpu_quota(const std::string & root = "");

}  // namespace altclip
