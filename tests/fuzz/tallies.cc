// What nodes say of attempts: tally rows and spent rows. The first byte chooses which.
#include <algorithm>

#include "attempts/spent.h"
#include "attempts/tally.h"
#include "fuzz/fuzz.h"

namespace countersign::fuzz {
namespace {

template <class Row>
void check(const Result<Row>& row, const Result<NodeId>& author, BytesView bytes) {
    if (!author) require_documented(author.error(), {errc::malformed});
    if (!row) {
        return require_documented(row.error(),
                                  {errc::malformed, errc::too_large, errc::unsupported_version});
    }
    require(author && *author == row->node, "the author is known before the row is read");
    require(std::ranges::equal(attempts::encode(*row), bytes), "a row has one encoding");
}

void run(BytesView input) {
    Input from(input);
    const auto choice = from.number<std::uint8_t>() % 2u;
    const auto bytes = from.rest();
    if (choice == 0) {
        check(attempts::decode_tally(bytes), attempts::author_of_tally(bytes), bytes);
        const auto verified = attempts::verify_tally(bytes, {});
        require(!verified, "nobody's signature is all zero");
    } else {
        check(attempts::decode_spent(bytes), attempts::author_of_spent(bytes), bytes);
    }
}

std::vector<Bytes> seeds() {
    const auto credential =
        attempts::CredentialId::password(filled_id<UserId>(1), PasswordVersion{1});
    attempts::TallyRow tally{.credential = credential,
                             .node = filled_id<NodeId>(2),
                             .incarnation = Incarnation{3},
                             .row_seq = RowSeq{5},
                             .window = RowSeq{4},
                             .failures = 6,
                             .head = LogSeq{7}};
    std::vector<Bytes> all{with_choice(0, attempts::encode(tally))};
    tally.clears = {{filled_id<NodeId>(1), Incarnation{1}, RowSeq{1}, 1},
                    {filled_id<NodeId>(8), Incarnation{9}, RowSeq{2}, 3}};
    all.push_back(with_choice(0, attempts::encode(tally)));
    const attempts::SpentRow spent{.credential = credential,
                                   .code = attempts::Code::totp_step(77),
                                   .node = filled_id<NodeId>(2),
                                   .incarnation = Incarnation{3},
                                   .row_seq = RowSeq{5},
                                   .head = LogSeq{7},
                                   .expiry = UnixTime{milliseconds{1'700'000'000'000}}};
    all.push_back(with_choice(1, attempts::encode(spent)));
    return all;
}

const Target target("tally", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
