#include "log/batch.h"

#include <chrono>

#include <doctest/doctest.h>

#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::log;
using countersign::testing::changes;
using countersign::testing::Draw;
using countersign::testing::erase;
using countersign::testing::handle;
using countersign::testing::put;
using countersign::testing::unhex;
using countersign::testing::user_name;
using countersign::testing::vectors;

namespace {

Batch batch() {
    Draw draw(1);
    Batch made;
    made.pool = draw.id<PoolId>();
    made.place = {
        .root_term = RootTerm{1}, .epoch = Epoch{2}, .node = draw.id<NodeId>(), .seq = LogSeq{77}};
    made.previous = draw.id<sealing::Hash256>();
    made.time = UnixTime(milliseconds(1'700'000'000'000));
    made.digest = draw.id<sealing::Hash256>();
    made.changes = changes(put(user_name(1), "one", {handle(1), handle(2)}),
                           erase(user_name(2)),
                           put({records::RecordKind{9'999}, user_name(3).id}, ""));
    return made;
}

Result<Batch> decoded(const Batch& made) {
    return decode({.place = made.place, .signature = {}, .bytes = encode(made)});
}

}  // namespace

TEST_CASE("batch: encoded: decodes as it was, kinds of the future too") {
    const auto before = batch();
    const auto after = decoded(before);
    REQUIRE(after);
    CHECK(after->pool == before.pool);
    CHECK(after->place == before.place);
    CHECK(after->previous == before.previous);
    CHECK(after->time == before.time);
    CHECK(after->digest == before.digest);
    CHECK(after->feature_level == feature_level);
    REQUIRE(after->changes.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(after->changes[i].name == before.changes[i].name);
        REQUIRE(after->changes[i].put.has_value() == before.changes[i].put.has_value());
        if (!after->changes[i].put) continue;
        CHECK(after->changes[i].put->sealed == before.changes[i].put->sealed);
        CHECK(after->changes[i].put->handles == before.changes[i].put->handles);
    }
}

TEST_CASE("batch: what a change is said to add: never less than it does") {
    for (const std::size_t size : {0, 1, 7, 8, 9, 500}) {
        for (const std::uint8_t handles : {0, 1, 2, 64}) {
            auto made = batch();
            const auto before = encode(made).size();
            std::vector<records::Handle> all;
            for (std::uint8_t i = 0; i < handles; ++i) all.push_back(handle(i));
            made.changes.push_back(
                put({records::RecordKind{10'000}, {}}, std::string(size, 'x'), all));
            CHECK(encode(made).size() - before <= encoded_size(made.changes.back()));
        }
    }
    auto made = batch();
    const auto before = encode(made).size();
    made.changes.push_back(erase({records::RecordKind{10'000}, {}}));
    CHECK(encode(made).size() - before <= encoded_size(made.changes.back()));
}

TEST_CASE("batch: an envelope of another place: malformed") {
    const auto made = batch();
    SignedBatch signed_batch{.place = made.place, .signature = {}, .bytes = encode(made)};
    REQUIRE(decode(signed_batch));
    const auto with = [&](auto&& change) {
        auto changed = signed_batch;
        change(changed.place);
        return decode(changed).error() == errc::malformed;
    };
    CHECK(with([](Place& place) { place.root_term = RootTerm{2}; }));
    CHECK(with([](Place& place) { place.epoch = Epoch{3}; }));
    CHECK(with([](Place& place) { place.node.bytes[5] ^= std::byte{1}; }));
    CHECK(with([](Place& place) { place.seq = LogSeq{78}; }));
}

TEST_CASE("batch: a feature level above this release's: said so, whatever its changes") {
    auto made = batch();
    made.feature_level = feature_level + 1;
    std::swap(made.changes[0], made.changes[2]);
    CHECK(decoded(made).error() == errc::unsupported_version);
}

TEST_CASE("batch: changes out of order, or two of one record: malformed") {
    auto made = batch();
    std::swap(made.changes[0], made.changes[1]);
    CHECK(decoded(made).error() == errc::malformed);
    made = batch();
    made.changes[1].name = made.changes[0].name;
    CHECK(decoded(made).error() == errc::malformed);
}

TEST_CASE("batch: handles out of order, doubled or too many: malformed") {
    auto made = batch();
    auto& handles = made.changes[0].put->handles;
    handles = {handle(2), handle(1)};
    CHECK(decoded(made).error() == errc::malformed);
    handles = {handle(2), handle(2)};
    CHECK(decoded(made).error() == errc::malformed);
    handles.clear();
    for (std::uint8_t i = 0; i < handles_limit; ++i) handles.push_back(handle(i));
    CHECK(decoded(made));
    handles.push_back(handle(handles_limit));
    CHECK(decoded(made).error() == errc::malformed);
}

TEST_CASE("batch: over a limit of size or number: refused") {
    auto made = batch();
    made.changes[0].put->sealed.resize(sealed_limit);
    CHECK(decoded(made));
    made.changes[0].put->sealed.resize(sealed_limit + 1);
    CHECK(decoded(made).error() == errc::malformed);
    made.changes.clear();
    for (std::uint64_t i = 0; i <= batch_changes_limit; ++i) {
        records::RecordName name{records::RecordKind::user, {}};
        name.id.bytes[0] = static_cast<std::byte>(i >> 8);
        name.id.bytes[1] = static_cast<std::byte>(i & 0xff);
        made.changes.push_back(erase(name));
    }
    CHECK(decoded(made).error() == errc::malformed);
    made.changes.pop_back();
    CHECK(decoded(made));
    SignedBatch large{.place = made.place, .signature = {}, .bytes = {}};
    large.bytes.resize(batch_bytes_limit + 8);
    CHECK(decode(large).error() == errc::too_large);
}

TEST_CASE("batch: cut short at every byte, or with bytes behind: malformed") {
    const auto made = batch();
    const auto bytes = encode(made);
    const auto refused = [&](Bytes changed) {
        return decode({.place = made.place, .signature = {}, .bytes = std::move(changed)})
                   .error() == errc::malformed;
    };
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK(refused({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}));
    }
    auto longer = bytes;
    for (int i = 0; i < 16; ++i) {
        longer.push_back({});
        CHECK(refused(longer));
    }
}

TEST_CASE("batch: messages made to hurt: malformed, at once") {
    for (const auto& file : vectors("capnp", "malformed")) {
        for (const auto& test : file.content.at("tests")) {
            if (!test.contains("hex")) continue;
            CAPTURE(test.at("name").get<std::string>());
            const auto begin = std::chrono::steady_clock::now();
            const SignedBatch hostile{
                .place = {}, .signature = {}, .bytes = unhex(test.at("hex").get<std::string>())};
            CHECK(decode(hostile).error() == errc::malformed);
            CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds{100});
        }
    }
}
