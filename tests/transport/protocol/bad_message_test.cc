#include <functional>

#include <doctest/doctest.h>

#include "transport/protocol/raw_peer.h"
#include "wire/encode.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

struct Row {
    const char* what;
    std::function<wire::Message()> say;
    errc answer = errc::malformed;
};

/// Says each message alone, after what `prepare` says, and looks at what it did.
void each_is_refused(const RawPool& pool,
                     bool at_primary,
                     const std::vector<Row>& rows,
                     const std::function<void(RawPeer&)>& prepare) {
    for (const Row& row : rows) {
        CAPTURE(row.what);
        auto peer = at_primary ? pool.at_primary() : pool.at_replica();
        auto& store = at_primary ? *pool.hq : *pool.branch;
        prepare(peer);
        REQUIRE_FALSE(peer.closed);
        const auto writes = store.writes;
        const auto head = store.head();
        peer.send(row.say());
        REQUIRE(peer.closed);
        CHECK(peer.closed->reason.code() == row.answer);
        CHECK(peer.goodbye() == row.answer);
        CHECK(store.writes == writes);
        CHECK(store.head() == head);
    }
}

wire::Batches changed(const SharedBatch& batch, const std::function<void(BatchEnvelope&)>& change) {
    auto copy = std::make_shared<BatchEnvelope>(*batch);
    change(*copy);
    return {{copy}};
}

wire::Page page_of(int first, bool last = false) {
    CopiedRecord record{.key = {1, {}}, .seq = LogSeq{1}, .sealed = Bytes(50), .handles = {}};
    record.key.id.bytes[0] = static_cast<std::byte>(first);
    return {CopyPage{.moment = LogSeq{2}, .records = {record}, .last = last}};
}

}  // namespace

TEST_CASE("conversation: anything but hello first: refused") {
    const RawPool pool;
    each_is_refused(pool,
                    true,
                    {{"designations", [] { return wire::Designations{}; }},
                     {"join", [] { return wire::Join{}; }},
                     {"admit", [] { return wire::Admit{{Secret(Bytes(32)), Secret(Bytes(32))}}; }},
                     {"follow", [] { return wire::Follow{}; }},
                     {"batches", [&] { return wire::Batches{{pool.batch(3)}}; }},
                     {"ack", [] { return wire::Ack{}; }},
                     {"pulse", [] { return wire::Pulse{}; }},
                     {"copy request", [] { return wire::CopyRequest{}; }},
                     {"page", [] { return page_of(1); }},
                     {"staged", [] { return wire::Staged{}; }},
                     {"gone", [] { return wire::Gone{}; }},
                     {"ping", [] { return wire::Ping{}; }},
                     {"pong", [] { return wire::Pong{}; }}},
                    [](RawPeer&) {});
}

TEST_CASE("conversation: hello in another node's name: refused") {
    const RawPool pool;
    auto peer = pool.at_primary();
    auto hello = peer.hello();
    hello.node = pool.hq->node;
    peer.send(hello);
    CHECK(peer.closed->reason == errc::handshake_failed);
    CHECK(pool.hq->heads_heard.empty());
}

TEST_CASE("conversation: after hello anything but designations, or forged ones: refused") {
    const RawPool pool;
    const auto forged = [&] {
        auto statement = pool.hq->designations()[0].statement;
        statement.bytes[0] ^= std::byte{1};
        return wire::Designations{{statement}};
    };
    each_is_refused(pool,
                    true,
                    {{"hello again", [&] { return pool.at_primary().hello(); }},
                     {"follow", [] { return wire::Follow{}; }},
                     {"ping", [] { return wire::Ping{}; }},
                     {"forged", forged, errc::bad_signature}},
                    [](RawPeer& peer) { peer.send(peer.hello()); });
}

TEST_CASE("conversation: what nobody asked for at a primary: refused") {
    const RawPool pool;
    each_is_refused(pool,
                    true,
                    {{"hello", [&] { return pool.at_primary().hello(); }},
                     {"designations", [] { return wire::Designations{}; }},
                     {"join", [] { return wire::Join{}; }},
                     {"admit", [] { return wire::Admit{{Secret(Bytes(32)), Secret(Bytes(32))}}; }},
                     {"batches", [&] { return wire::Batches{{pool.batch(3)}}; }},
                     {"page", [] { return page_of(1); }},
                     {"gone", [] { return wire::Gone{}; }},
                     {"staged pages", [] { return wire::Staged{1}; }},
                     {"pong", [] { return wire::Pong{1, {}}; }},
                     {"pulse", [] { return wire::Pulse{{Bytes(16), {}}}; }, errc::bad_signature}},
                    [](RawPeer& peer) { peer.greet(); });
}

TEST_CASE("conversation: batches that are not the primary's, or out of order: refused") {
    const RawPool pool;
    const SharedBatch next = pool.batch(3);
    const auto resigned = [&](const std::function<void(BatchEnvelope&)>& change) {
        return changed(next, [&](BatchEnvelope& batch) {
            change(batch);
            batch.signature = fake_signature(batch.node, batch.bytes);
        });
    };
    each_is_refused(
        pool,
        false,
        {{"a gap", [&] { return wire::Batches{{pool.batch(4)}}; }, errc::chain_gap},
         {"one held already", [&] { return wire::Batches{{pool.batch(2)}}; }, errc::chain_gap},
         {"a changed byte",
          [&] { return changed(next, [](auto& batch) { batch.bytes[70] ^= std::byte{1}; }); },
          errc::bad_signature},
         {"another epoch",
          [&] { return changed(next, [](auto& batch) { batch.epoch = Epoch{2}; }); },
          errc::wrong_epoch},
         {"another branch",
          [&] { return resigned([](auto& batch) { batch.bytes[0] ^= std::byte{1}; }); },
          errc::fork},
         {"another digest",
          [&] { return resigned([](auto& batch) { batch.bytes[40] ^= std::byte{1}; }); },
          errc::digest_mismatch},
         {"a page", [] { return page_of(1); }},
         {"an answer to no ping", [] { return wire::Pong{}; }},
         {"a forged pulse", [] { return wire::Pulse{{Bytes(16), {}}}; }, errc::bad_signature}},
        [](RawPeer& peer) { peer.greet(); });
}

TEST_CASE("conversation: the right batch after all that: accepted") {
    const RawPool pool;
    auto peer = pool.at_replica();
    peer.greet();
    REQUIRE(peer.heard<wire::Follow>());
    peer.send(wire::Batches{{pool.batch(3), pool.batch(4)}});
    REQUIRE(peer.heard<wire::Ack>());
    CHECK(peer.heard<wire::Ack>()->seq == LogSeq{4});
    CHECK(pool.branch->head().seq == LogSeq{4});
}

TEST_CASE("conversation: pages out of order, or after the last: refused, what serves untouched") {
    const RawPool pool;
    pool.branch->forget_log();
    const auto ask = [&](RawPeer& peer) {
        peer.greet();
        REQUIRE(peer.heard<wire::CopyRequest>());
    };
    SUBCASE("a page again") {
        auto peer = pool.at_replica();
        ask(peer);
        peer.send(page_of(5));
        peer.send(page_of(5));
        CHECK(peer.goodbye() == errc::malformed);
    }
    SUBCASE("batches between the pages") {
        auto peer = pool.at_replica();
        ask(peer);
        peer.send(page_of(5));
        peer.send(wire::Batches{{pool.batch(1)}});
        CHECK(peer.goodbye() == errc::malformed);
    }
    SUBCASE("a page after the last") {
        auto peer = pool.at_replica();
        ask(peer);
        peer.send(page_of(5, true));
        REQUIRE(peer.heard<wire::Follow>());
        peer.send(page_of(6));
        CHECK(peer.goodbye() == errc::malformed);
    }
    SUBCASE("the anchor is another batch") {
        auto peer = pool.at_replica();
        ask(peer);
        peer.send(page_of(5, true));
        peer.send(wire::Batches{{pool.batch(3)}});
        CHECK(peer.goodbye() == errc::chain_gap);
    }
    SUBCASE("rows that the anchor does not prove") {
        auto peer = pool.at_replica();
        ask(peer);
        peer.send(page_of(5, true));
        peer.send(wire::Batches{{pool.batch(2)}});
        CHECK(peer.goodbye() == errc::digest_mismatch);
    }
    SUBCASE("gone, though nothing was resumed") {
        auto peer = pool.at_replica();
        ask(peer);
        peer.send(wire::Gone{});
        CHECK(peer.goodbye() == errc::malformed);
    }
    CHECK(pool.branch->rows().empty());
    CHECK(pool.branch->head().seq == LogSeq{});
}

TEST_CASE("conversation: a resumed copy is called gone again and again: begun anew each time") {
    const RawPool pool;
    pool.branch->forget_log();
    auto peer = pool.at_replica();
    peer.greet();
    peer.send(page_of(5, true));
    const auto begun = pool.branch->copies_begun;
    peer.send(wire::Gone{});
    CHECK_FALSE(peer.closed);
    CHECK(pool.branch->copies_begun == begun + 1);
    peer.send(wire::Gone{});  // it asked for a new one: there is nothing that could be gone
    CHECK(peer.goodbye() == errc::malformed);
}

TEST_CASE("conversation: a feeder that ignores the window: cut off, memory bounded") {
    RawPool pool;
    for (int i = 0; i < 30; ++i) pool.hq->commit(1, 9'000);
    std::vector<SharedBatch> many;
    for (std::uint64_t seq = 3; seq <= pool.hq->log().size(); ++seq)
        many.push_back(pool.batch(seq));
    auto peer = pool.at_replica({.window = 64u << 10});
    peer.greet();
    const auto before = pool.branch->head();
    peer.send(wire::Batches{many});
    CHECK(peer.goodbye() == errc::too_large);
    CHECK(pool.branch->head() == before);
}

TEST_CASE("conversation: a frame that is no message: refused with its own error") {
    const RawPool pool;
    {
        auto peer = pool.at_primary();
        peer.send_frame(Bytes(64, std::byte{0x5a}));
        CHECK(peer.goodbye() == errc::malformed);
    }
    {
        auto peer = pool.at_primary();
        auto hello = peer.hello();
        hello.name = std::string(65, 'x');
        peer.send(hello);
        CHECK(peer.goodbye() == errc::too_large);
    }
    CHECK(pool.hq->heads_heard.empty());
}

TEST_CASE("conversation: a message of a later release: ignored from a peer that speaks it only") {
    const RawPool pool;
    Bytes unknown = wire::encode(wire::Gone{});
    unknown[16] = std::byte{200};  // the union's number
    for (const bool is_later : {false, true}) {
        auto peer = pool.at_primary();
        auto hello = peer.hello();
        hello.level = is_later ? wire::protocol_level + 1 : wire::protocol_level;
        peer.send(hello);
        peer.send(wire::Designations{});
        peer.send_frame(unknown);
        CHECK(peer.closed.has_value() == !is_later);
        if (!is_later) CHECK(peer.goodbye() == errc::malformed);
    }
    auto peer = pool.at_primary();
    peer.send_frame(unknown);
    CHECK(peer.goodbye() == errc::malformed);
}

TEST_CASE("conversation: a removal that proves nothing: the store stays, the link ends") {
    const RawPool pool;
    const auto removal = [&](SharedBatch batch) {
        auto peer = pool.at_replica();
        peer.greet();
        peer.send(wire::Removed{std::move(batch)});
        return peer.closed->reason.code();
    };
    CHECK(removal(pool.batch(3)) == errc::malformed);  // it removes nobody
    auto forged = std::make_shared<BatchEnvelope>(*pool.batch(3));
    forged->signature.bytes[0] ^= std::byte{1};
    CHECK(removal(forged) == errc::bad_signature);
    CHECK_FALSE(pool.branch->removed);
}

TEST_CASE("conversation: goodbyes of every sort: understood, or taken as closed") {
    const RawPool pool;
    const auto told = [&](errc code) {
        auto peer = pool.at_primary();
        peer.send(wire::Goodbye{code, "so long"});
        REQUIRE(peer.closed);
        return std::pair(peer.closed->reason.code(), peer.closed->reconnect);
    };
    CHECK(told(errc::disk_full) == std::pair(errc::disk_full, true));
    CHECK(told(errc::not_a_member) == std::pair(errc::not_a_member, false));
    CHECK(told(errc::link_replaced) == std::pair(errc::link_replaced, false));
    CHECK(told(static_cast<errc>(9999)) == std::pair(errc::link_closed, true));
    CHECK(told(errc::clone_suspected) == std::pair(errc::clone_suspected, true));
    CHECK(pool.hq->told_of_clones == 1);
}

TEST_CASE("conversation: acknowledgements of what was never sent: nothing breaks") {
    const RawPool pool;
    auto peer = pool.at_primary();
    peer.greet();
    peer.send(wire::Ack{LogSeq{1'000'000}});
    CHECK_FALSE(peer.closed);
    peer.send(wire::Follow{LogSeq{2}});
    REQUIRE(peer.heard<wire::Batches>());
    CHECK(peer.heard<wire::Batches>()->batches.size() == 4);
    peer.send(wire::Follow{LogSeq{1'000'000}});
    pool.hq->commit(1);
    peer.link->on_commit(peer.now);
    CHECK_FALSE(peer.closed);
}
