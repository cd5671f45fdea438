// A program of somebody else's: it knows the public headers and what its build system tells it.
#include <cstdio>
#include <string>

#include <countersign/store.h>

namespace cs = countersign;

int main(int, char** arguments) {
    const std::string directory = std::string(arguments[1]) + "/store";
    const std::string key = std::string(arguments[1]) + "/key";
    if (!cs::make_key_file(key, *cs::system_environment())) return 2;
    auto store = cs::Store::create({.directory = directory,
                                    .node_name = "outside",
                                    .key_provider = cs::key_file(key),
                                    .pool = {.hash_memory_kib = 8, .hash_passes = 1}});
    if (!store) {
        std::fprintf(stderr, "%s\n", store.error().message().c_str());
        return 3;
    }
    const auto user =
        store->users().create({.login = "alice", .password = cs::Secret("correct horse battery")});
    const auto result =
        store->authenticate({.login = "Alice", .password = cs::Secret("correct horse battery")});
    return user && result && result->verdict == cs::Verdict::accepted ? 0 : 4;
}
