// A local user store: make it, add somebody, sign in.
#include <cstdio>

#include <countersign/store.h>

namespace cs = countersign;

int fail(const cs::Error& error) {
    return std::fprintf(stderr, "%s\n", error.message().c_str()), 1;
}

int main(int argc, char** argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: local_store DIRECTORY KEY_FILE\n"), 2;
    const auto environment = cs::system_environment();
    if (auto made = cs::make_key_file(argv[2], *environment); !made) return fail(made.error());

    auto store = cs::Store::create(
        {.directory = argv[1], .node_name = "hq", .key_provider = cs::key_file(argv[2])});
    if (!store) return fail(store.error());

    auto alice =
        store->users().create({.login = "alice", .password = cs::Secret("correct horse battery")});
    if (!alice) return fail(alice.error());

    auto who =
        store->authenticate({.login = "Alice", .password = cs::Secret("correct horse battery")});
    if (!who) return fail(who.error());
    std::printf("alice: %s\n", cs::name(who->verdict));
    return who->verdict == cs::Verdict::accepted ? 0 : 1;
}
