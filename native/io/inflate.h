// Raw deflate data (RFC 1951), as zip entries hold it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace altclip {

/// Inflates `deflated` into `sink`, a quarter of a megabyte at a time. Throws model_format, naming `what`, where the
/// data is damaged, does not give exactly `size` bytes, or gives others than `crc32` says; what `sink` throws passes.
void inflate(std::string_view deflated, uint64_t size, uint32_t crc32, const std::string & what,
             const std::function<void(const uint8_t *, size_t)> & sink);

}  // namespace altclip
