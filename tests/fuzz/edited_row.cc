// Rows of attempts that real nodes signed, edited: by whoever carries them, and by a member that
// signs what is not so. They come to a directory that has seen failures of its own.
#include <doctest/doctest.h>

#include "fuzz/edits.h"
#include "lib/attempts/directory.h"

namespace countersign::fuzz {
namespace {

using namespace attempts;
using attempts::testing::Process;

constexpr std::uint8_t author_number = 2;

struct Site {
    Site() {
        process.group([&](Journal& journal) {
            for (int i = 0; i < 5; ++i) REQUIRE(journal.count_failure(credential));
        });
        const auto other = attempts::testing::signed_by(3, 9, 4, 2);
        process.group([&](Journal& journal) {
            REQUIRE(journal.take(other, sign(other, attempts::testing::signing_key(3))));
        });
        rows = process.read(credential).entries().size();
        failures = process.effective(credential);
    }

    countersign::testing::TemporaryDirectory directory;
    Process process{directory / "store.db"};
    CredentialId credential = attempts::testing::password_of(1);
    std::size_t rows = 0;
    std::uint64_t failures = 0;
};

Site& site() {
    assertions_abort();
    static Site made;
    return made;
}

/// A row that the author may have written.
TallyRow row_of(Input& from) {
    const auto own = site().process.author();
    TallyRow row = attempts::testing::signed_by(author_number, 20, 10, 3);
    row.row_seq = RowSeq{1u + from.number<std::uint16_t>()};
    row.window = RowSeq{1u + from.number<std::uint16_t>() % value(row.row_seq)};
    row.failures = from.number<std::uint32_t>();
    const auto cleared = from.number<std::uint8_t>();
    if (cleared % 3 != 0) {
        row.clears.push_back(
            {own.node, own.incarnation, RowSeq{1 + cleared % 7u}, 1 + cleared % 9u});
    }
    if (cleared % 5 == 0) {
        const auto third = attempts::testing::signed_by(3, 9, 4, 2).author();
        row.clears.push_back({third.node, third.incarnation, RowSeq{4}, 1 + cleared % 4u});
    }
    std::ranges::sort(row.clears, {}, &Clear::subject);
    return row;
}

/// What a directory does with a row that it has verified: in a transaction that rolls back.
void take(const TallyRow& row, const sealing::Signature& signature) {
    auto& process = site().process;
    {
        auto transaction = process.transaction();
        auto journal = process.journal();
        const auto taken = journal.take(row, signature);
        if (!taken) {
            require_documented(taken.error(), {errc::malformed});
        } else {
            const auto again = journal.take(row, signature);
            require(again && !*again, "a row that is known changes nothing");
            const auto rows = journal.tallies(row.credential);
            REQUIRE(rows);
            const auto* own = rows->find(process.author());
            require(!*taken || row.credential != site().credential || own != nullptr,
                    "what this node has seen stays");
            REQUIRE(journal.flush(attempts::testing::wall(2'000)));
        }
    }
    const auto after = process.read(site().credential);
    require(after.entries().size() == site().rows, "what is not committed leaves no trace");
    require(process.effective(site().credential) == site().failures, "nor in what counts");
}

/// Any two rows say the same, whichever comes first and however often.
void check_merge(const TallyRow& one, const TallyRow& other) {
    if (one.credential != other.credential) return;
    const auto& holders = site().process.holders;
    TallySet forth(one.credential);
    TallySet back(one.credential);
    for (const auto* row : {&one, &other, &one}) forth.merge(*row, Instant{});
    for (const auto* row : {&other, &one, &other}) back.merge(*row, Instant{});
    require(effective_failures(forth, holders) == effective_failures(back, holders),
            "the order of rows means nothing");
    for (const auto& entry : forth.entries()) {
        const auto* same = back.find(entry.row.author());
        require(same != nullptr && *same == entry.row, "nor does it decide which row stays");
    }
}

void run(BytesView input) {
    Input from(input);
    const auto key = attempts::testing::signing_key(author_number);
    const auto row = row_of(from);
    const auto genuine = encode(row);
    const auto signature = sign(row, key);
    REQUIRE(verify_tally(genuine, signature) == row);
    take(row, signature);
    const bool is_signed = (from.number<std::uint8_t>() & 1) != 0;
    Bytes bytes = genuine;
    do edit(bytes, from);
    while (!from.empty());
    if (!is_signed) {
        const auto verified = verify_tally(bytes, signature);
        require(verified.has_value() == (bytes == genuine), "nobody else makes a row");
        if (!verified)
            require_documented(verified.error(),
                               {errc::bad_signature, errc::malformed, errc::too_large});
        return;
    }
    const auto own_signature = sealing::sign(sealing::SignatureKind::tally, bytes, key);
    const auto verified = verify_tally(bytes, own_signature);
    if (!verified) {
        return require_documented(
            verified.error(),
            {errc::bad_signature, errc::malformed, errc::too_large, errc::unsupported_version});
    }
    require(verified->node == row.node, "a member signs its own rows alone");
    take(*verified, own_signature);
    check_merge(row, *verified);
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> inputs{{}};
    for (unsigned choice = 0; choice < 8; ++choice) {
        for (const unsigned at : {66u, 74u, 82u, 94u, 100u}) {
            Bytes bytes;
            for (const auto each :
                 {9u, 0u, 4u, 0u, 2u, 0u, 0u, 0u, choice, 1u, choice, at, 0u, 3u, 1u, 2u}) {
                bytes.push_back(static_cast<std::byte>(each));
            }
            inputs.push_back(std::move(bytes));
        }
    }
    return inputs;
}

const Target target("edited_row", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
