#include <filesystem>
#include <utility>

#include "check.h"
#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "test_convert_support.h"

using altclip::AtomicFile;
using altclip::MappedFile;
using support::TemporaryFolder;

TEST("a mapped file holds the file's bytes and moves") {
    const TemporaryFolder folder;
    const std::string path = folder.file("größe.bin");
    support::write_file(path, "hello");
    MappedFile file(path);
    CHECK(file.size() == 5);
    MappedFile moved(std::move(file));
    CHECK(std::string(reinterpret_cast<const char *>(moved.data()), moved.size()) == "hello");
    CHECK(file.size() == 0 && file.data() == nullptr);
    file = std::move(moved);
    CHECK(file.size() == 5 && moved.data() == nullptr);
}

TEST("an empty file maps to nothing") {
    const TemporaryFolder folder;
    support::write_file(folder.file("empty"), "");
    CHECK(MappedFile(folder.file("empty")).size() == 0);
}

TEST("what cannot be mapped is an error that names it") {
    const TemporaryFolder folder;
    CHECK_ERROR(io, "missing.bin: cannot be read", MappedFile(folder.file("missing.bin")));
    CHECK_ERROR(io, folder.path(), MappedFile(folder.path()));
}

TEST("an atomic file appears on commit and replaces an older one") {
    const TemporaryFolder folder;
    const std::string path = folder.file("out.bin");
    support::write_file(path, "old");
    {
        AtomicFile file(path);
        file.write("new", 3);
        file.write_zeros(5000);
        CHECK(file.position() == 5003);
        CHECK(support::read_file(path) == "old");
        file.commit();
    }
    CHECK(support::read_file(path) == "new" + std::string(5000, '\0'));
    CHECK(folder.n_files() == 1);
}

TEST("an atomic file that is not committed leaves nothing") {
    const TemporaryFolder folder;
    {
        AtomicFile file(folder.file("out.bin"));
        file.write("half", 4);
        CHECK(folder.n_files() == 1);
    }
    CHECK(folder.n_files() == 0);
}

TEST("an atomic file that cannot be made is an error that names it") {
    const TemporaryFolder folder;
    CHECK_ERROR(io, "out.bin: cannot be written", AtomicFile(folder.file("no/such/out.bin")));
    CHECK_ERROR(io, "it is a folder", AtomicFile(folder.path()));
    CHECK(folder.n_files() == 0);
}
