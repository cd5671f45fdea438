#include "records/index.h"

#include <doctest/doctest.h>

#include "sealing/hash.h"
#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::records;
using countersign::testing::bytes_of;
using countersign::testing::key_bytes;

TEST_CASE("index: a handle: BLAKE2b-128 under the key of scope, a zero byte and the value") {
    const auto key = key_bytes(1);
    sealing::Hasher hasher(16, key);
    hasher.update(bytes_of("login")).update(bytes_of(std::string_view("\0", 1)));
    hasher.update(bytes_of("alice"));
    Handle expected;
    hasher.finish(expected.bytes);
    CHECK(Index(key).handle(Scope::login, "alice") == expected);
}

TEST_CASE("index: another key, scope or value: another handle") {
    const Index index(key_bytes(1));
    const auto handle = index.handle(Scope::login, "alice@example.org");
    CHECK(handle == index.handle(Scope::login, "alice@example.org"));
    CHECK(handle != index.handle(Scope::email, "alice@example.org"));
    CHECK(handle != index.handle(Scope::login, "alice@example.com"));
    CHECK(handle != Index(key_bytes(2)).handle(Scope::login, "alice@example.org"));
}
