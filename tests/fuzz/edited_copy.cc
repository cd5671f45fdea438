// A copy of a real primary, page by page and then its batches, edited on the way: by whoever
// carries it, and by a member that feeds what is not so.
#include <doctest/doctest.h>

#include "fuzz/edits.h"
#include "lib/log/copying.h"

namespace countersign::fuzz {
namespace {

using log::SignedBatch;
using testing::Copying;

constexpr int most_edits = 8;
constexpr std::size_t two_records = 80;

/// A replica that has nothing yet, and all that it is to be sent. The primary wrote on meanwhile.
struct Feed {
    Feed() {
        std::optional<RecordKey> after;
        for (std::uint8_t i = 8;; ++i) {
            pages.push_back(Copying::read(copying.feeder, after, two_records));
            if (pages.back().last) break;
            after = pages.back().records.back().key;
            if (i < 11) copying.write(i);
        }
        batches = Copying::run(copying.feeder, pages.front().moment, pages.back().moment);
        digest = copying.feeder.head().digest.digest();
        copying.begin();
        nothing = copying.replica.content() + copying.staged();
    }

    Copying copying{8};
    std::vector<CopyPage> pages;
    std::vector<SignedBatch> batches;
    sealing::Hash256 digest;
    std::string nothing;  ///< in the tables of the replica, the copy having begun
};

Feed& feed() {
    assertions_abort();
    static Feed made;
    return made;
}

void edit_record(CopiedRecord& record, Input& from) {
    switch (from.number<std::uint8_t>() % 5u) {
        case 0:
            edit_id(record.key.id, from);
            break;
        case 1:
            record.key.kind = edited(record.key.kind, from);
            break;
        case 2:
            record.seq = edited(record.seq, from);
            break;
        case 3:
            edit(record.sealed, from);
            break;
        default:
            edit(record.handles, from);
    }
}

void edit_page(CopyPage& page, Input& from) {
    switch (from.number<std::uint8_t>() % 4u) {
        case 0:
            page.moment = edited(page.moment, from);
            break;
        case 1:
            page.last = !page.last;
            break;
        case 2:
            edit_order(page.records, from);
            break;
        default:
            if (page.records.empty()) break;
            edit_record(page.records[from.number<std::uint8_t>() % page.records.size()], from);
    }
}

void edit_copy(std::vector<CopyPage>& pages, std::vector<SignedBatch>& batches, Input& from) {
    switch (from.number<std::uint8_t>() % 5u) {
        case 0:
            edit_order(pages, from);
            break;
        case 1:
            edit_order(batches, from);
            break;
        case 2:
            if (batches.empty()) break;
            edit(batches[from.number<std::uint8_t>() % batches.size()].bytes, from);
            break;
        default:
            if (pages.empty()) break;
            edit_page(pages[from.number<std::uint8_t>() % pages.size()], from);
    }
}

/// False: it was refused.
bool stage(const std::vector<CopyPage>& pages) {
    auto& staging = *feed().copying.staging;
    for (const auto& page : pages) {
        const auto state = staging.stage(page);
        if (!state) {
            require_documented(state.error(), {errc::conflict, errc::malformed, errc::too_large});
            return false;
        }
        if (state->stage == CopyState::Stage::replaying) return true;
    }
    return false;
}

/// What is proved here serves from now on: it must be what the primary holds.
void replay(const std::vector<SignedBatch>& batches) {
    auto& copying = feed().copying;
    const auto replayed = copying.staging->replay(copying.replica.database, batches, LogSeq{1});
    if (!replayed) {
        return require_documented(replayed.error(),
                                  {errc::conflict,
                                   errc::chain_gap,
                                   errc::wrong_epoch,
                                   errc::bad_signature,
                                   errc::wrong_pool,
                                   errc::malformed,
                                   errc::too_large,
                                   errc::unsupported_version});
    }
    if (replayed->failure) {
        require_documented(*replayed->failure,
                           {errc::digest_mismatch, errc::fork, errc::wrong_epoch});
        require(!replayed->head && replayed->state.stage == CopyState::Stage::none,
                "what is not proved is given up");
    }
    if (!replayed->head) return;
    require(replayed->head->place.seq >= feed().pages.front().moment,
            "an older copy proves itself");
    const auto& genuine = feed().batches;
    const auto same = std::ranges::find_if(
        genuine, [&](const SignedBatch& each) { return each.hash() == replayed->head->hash; });
    require(same != genuine.end(), "a copy ends at a batch of the primary's");
    const auto content = log::decode(*same);
    require(content && content->digest == replayed->head->digest.digest(), "no forged copy passes");
}

void run(BytesView input) {
    auto& all = feed();
    Input from(input);
    auto pages = all.pages;
    auto batches = all.batches;
    for (int edits = 0; edits < most_edits && !from.empty(); ++edits) {
        edit_copy(pages, batches, from);
    }
    {
        auto transaction = sqlite::Transaction::begin(all.copying.replica.database);
        REQUIRE(transaction);
        if (stage(pages)) replay(batches);
    }
    require(all.copying.replica.content() + all.copying.staged() == all.nothing,
            "what is not committed leaves no trace");
    auto transaction = sqlite::Transaction::begin(all.copying.replica.database);
    REQUIRE(transaction);
    require(stage(all.pages), "the genuine pages are taken after it");
    const auto replayed =
        all.copying.staging->replay(all.copying.replica.database, all.batches, LogSeq{1});
    require(replayed && replayed->head && replayed->head->digest.digest() == all.digest,
            "and the genuine copy is proved");
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> inputs{{}};
    const auto add = [&](std::initializer_list<unsigned> script) {
        Bytes bytes;
        for (const auto each : script) bytes.push_back(static_cast<std::byte>(each));
        inputs.push_back(std::move(bytes));
    };
    for (unsigned what = 0; what < 2; ++what) {
        for (unsigned how = 0; how < 3; ++how) add({what, how, 1, 0});
    }
    for (unsigned how = 0; how < 8; ++how) add({2, 1, how, 9, 0, 3, 1, 2, 3});
    for (unsigned page = 0; page < 3; ++page) {
        for (unsigned how = 0; how < 3; ++how) add({3, page, how, 1, 0});
        for (unsigned field = 0; field < 5; ++field) add({3, page, 3, 1, field, 1, 0, 1});
    }
    return inputs;
}

const Target target("edited_copy", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
