// Bytes too many for memory, in a file that nobody else sees.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>

#include "io/mapped_file.h"

namespace altclip {

/// Written once, then mapped; lies in the system's temporary folder, on POSIX without a name, so that even a killed
/// process leaves nothing; elsewhere it is removed with the object.
class ScratchFile {
public:
    /// Throws io where the folder cannot be written.
    ScratchFile();
    ~ScratchFile();
    ScratchFile(const ScratchFile &) = delete;
    ScratchFile & operator=(const ScratchFile &) = delete;

    void write(const void * data, size_t n_bytes);  // throws io, disk full included
    /// Ends the writing. Throws io.
    void map();
    const MappedFile & mapped() const { return mapped_; }

private:
    struct Close {
        void operator()(std::FILE * file) const { std::fclose(file); }
    };

    std::string path_;
    std::unique_ptr<std::FILE, Close> file_;
    MappedFile mapped_;
};

}  // namespace altclip
