// Where weights come from, whatever the format: a list of tensors, and their values in f32 a piece at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace altclip {

enum class SourceType { f32, f16, bf16, f64, other };  // other: integers and eight-bit floats, never a weight

struct SourceTensor {
    std::string name;
    SourceType type = SourceType::other;
    std::string type_name;       // in the format's own words
    std::vector<int64_t> shape;  // slowest dimension first; every dimension >= 0
};

class WeightSource {
public:
    virtual ~WeightSource() = default;

    virtual const std::vector<SourceTensor> & tensors() const = 0;
    /// Writes elements [first, first + count) of a tensor, row-major, as f32. The range must lie in the tensor and its
    /// type must not be `other`. Safe from several threads at once.
    virtual void read(size_t tensor, int64_t first, int64_t count, float * out) const = 0;
    /// Elements [first, first + count) will be read soon: their file may read ahead.
    virtual void expect(size_t /*tensor*/, int64_t /*first*/, int64_t /*count*/) const {}
    /// They will not be read again soon: the memory of a mapped file's pages goes back to the system.
    virtual void forget(size_t /*tensor*/, int64_t /*first*/, int64_t /*count*/) const {}
    /// The file a tensor lies in, for messages.
    virtual const std::string & file_of(size_t tensor) const = 0;
};

/// Product of the dimensions; none where one is negative or it passes 2^48.
std::optional<int64_t> element_count(const std::vector<int64_t> & shape);
/// "[2, 3]"
std::string shape_text(const std::vector<int64_t> & shape);
/// `count` little-endian values at `data`, which need not be aligned, to f32.
void widen(SourceType type, const uint8_t * data, int64_t count, float * out);

}  // namespace altclip
