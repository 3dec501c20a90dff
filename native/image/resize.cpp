#include "image/resize.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "image/row_kernels.h"

namespace altclip {

namespace {

/// A window of an image: columns and rows say where its pixels lie in it.
struct Window {
    Span columns;
    Span rows;
    std::vector<uint8_t> bytes;

    Window(Span columns_, Span rows_)
        : columns(columns_), rows(rows_), bytes(size_t(columns_.size()) * rows_.size() * 3) {}
    size_t stride() const { return size_t(columns.size()) * 3; }
    uint8_t * row(int y) { return bytes.data() + size_t(y - rows.begin) * stride(); }
};

/// The window's pixels, from an image that is as large as the result.
Window cut(const RgbView & image, Span columns, Span rows) {
    Window out(columns, rows);
    for (int y = rows.begin; y < rows.end; ++y) {
        std::memcpy(out.row(y), image.pixel(columns.begin, y), out.stride());
    }
    return out;
}

Window nearest(const RgbView & image, int width, int height, Span columns, Span rows) {
    const std::vector<int> xs = nearest_table(image.width, width, columns);
    const std::vector<int> ys = nearest_table(image.height, height, rows);
    Window out(columns, rows);
    uint8_t * pixel = out.bytes.data();
    for (const int y : ys) {
        for (const int x : xs) {
            if (x >= 0 && y >= 0) std::memcpy(pixel, image.pixel(x, y), 3);
            pixel += 3;
        }
    }
    return out;
}

/// Rows `rows` of the output, from an image that holds the columns which the table reads.
void horizontal_pass(const RowKernels & kernels, const RgbView & image, const ResampleTable & table, Span rows,
                     Window & out) {
    const Span held = image.part.columns;
    const RowsView in = {image.pixel(held.begin, rows.begin), image.stride(), rows.size(), held.size(), held.begin};
    kernels.resample_rows(in, table, out.row(rows.begin));
}

/// `row_of(y)` gives row y's pixels from the first of `columns` on; rows lie `stride` bytes apart.
template <typename RowOf>
Window vertical_pass(const RowKernels & kernels, RowOf row_of, size_t stride, const ResampleTable & table, Span columns,
                     Span rows) {
    Window out(columns, rows);
    for (int y = rows.begin; y < rows.end; ++y) {
        const int i = y - rows.begin;
        kernels.blend_rows(row_of(table.first[i]), stride, table.weights_of(i), table.length[i], int(out.stride()),
                           out.row(y));
    }
    return out;
}

constexpr int strip = 256;  // rows that are waited for at a time

}  // namespace

void ArrivingRows::set(int n_rows) {
    const std::lock_guard<std::mutex> lock(mutex_);
    n_rows_ = n_rows;
    changed_.notify_all();
}

void ArrivingRows::wait_for(int n_rows) const {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return n_rows_ >= n_rows; });
}

Region resize_input(int width, int height, int out_width, int out_height, Resample filter, const Region & wanted) {
    return {input_span(filter, width, out_width, wanted.columns), input_span(filter, height, out_height, wanted.rows)};
}

std::vector<uint8_t> resize(const RgbView & image, const ArrivingRows & arriving, int width, int height,
                            Resample filter, const Region & wanted, Isa isa) {
    const auto [columns, rows] = wanted;
    const bool need_horizontal = width != image.width;
    const bool need_vertical = height != image.height;
    // each pass rounds to bytes, so the order shows: Pillow 13 goes down first where the height shrinks much more
    const int64_t down = int64_t(image.height) - height;
    const bool vertical_first = down > 0 && down > (int64_t(image.width) - width) * 2;
    const bool horizontal_first = need_horizontal && !vertical_first && filter != Resample::nearest;
    if (!horizontal_first) arriving.wait_for(image.part.rows.size());

    if (!need_horizontal && !need_vertical) return cut(image, columns, rows).bytes;
    if (filter == Resample::nearest) return nearest(image, width, height, columns, rows).bytes;

    ResampleTable horizontal, vertical;
    if (need_horizontal) horizontal = resample_table(filter, image.width, width, columns);
    if (need_vertical) vertical = resample_table(filter, image.height, height, rows);

    const RowKernels kernels = row_kernels(isa);
    if (horizontal_first) {
        const Span needed = need_vertical ? vertical.input() : rows;
        Window middle(columns, needed);
        for (int y = needed.begin; y < needed.end; y += strip) {
            const Span some = {y, std::min(y + strip, needed.end)};
            arriving.wait_for(some.end - image.part.rows.begin);
            horizontal_pass(kernels, image, horizontal, some, middle);
        }
        if (!need_vertical) return std::move(middle.bytes);
        const auto row_of = [&](int y) { return middle.row(y); };
        return vertical_pass(kernels, row_of, middle.stride(), vertical, columns, rows).bytes;
    }
    const Span needed = need_horizontal ? horizontal.input() : columns;
    const auto row_of = [&](int y) { return image.pixel(needed.begin, y); };
    Window middle = vertical_pass(kernels, row_of, image.stride(), vertical, needed, rows);
    if (!need_horizontal) return std::move(middle.bytes);
    Window out(columns, rows);
    horizontal_pass(kernels, {middle.bytes.data(), image.width, height, {needed, rows}}, horizontal, rows, out);
    return std::move(out.bytes);
}

}  // namespace altclip
