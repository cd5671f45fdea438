// What a carrier between two real stores can do to what it carries: batches, designations, pulses,
// removals, pages of a copy, the request to be let in. A store that refuses is as it was before.
#include <doctest/doctest.h>

#include "cluster/linked_sites.h"
#include "fuzz/edits.h"

namespace countersign::fuzz {
namespace {

using testing::Site;
using testing::StoreState;

enum Choice : unsigned { batches, designation, pulse, removal, pages, request, last };

/// A primary, a replica that lacks what was written last, and a machine that is not let in yet.
struct Sites {
    Sites() {
        hq.create();
        testing::let_in(hq, branch);
        const auto seen = branch.store->links().store()->head().seq;
        for (const char* login : {"alice", "bob", "carol"}) testing::add_user(*hq.store, login);
        REQUIRE(outsider.join(testing::invite(hq, "outsider")));
        const auto from = hq.store->links().store();
        run = from->read_batches(seen, 1u << 20, 100)->batches;
        statement = from->designations().front().statement;
        page = *from->read_page({}, 1u << 20);
        beat = *from->newest_pulse(hq.place.environment->now());
        admission = outsider.store->links().invitation()->request;
        key = outsider.store->links().store()->identity().channel_key;
        at_hq = testing::state_of(*hq.store);
        at_branch = testing::state_of(*branch.store);
    }
    std::shared_ptr<LinkStore> replica() { return branch.store->links().store(); }
    std::shared_ptr<LinkStore> primary() { return hq.store->links().store(); }

    Site hq{1, "hq"};
    Site branch{2, "branch"};
    Site outsider{3, "outsider"};
    std::vector<SharedBatch> run;
    SignedBytes statement;
    SignedBytes beat;
    CopyPage page;
    JoinRequest admission;
    ChannelPublicKey key;
    StoreState at_hq;
    StoreState at_branch;
};

std::optional<Sites>& kept_sites() {
    static std::optional<Sites> kept;
    return kept;
}

Sites& sites() {
    assertions_abort();
    auto& kept = kept_sites();
    if (!kept) kept.emplace();
    return *kept;
}

void edit_statement(SignedBytes& statement, Input& from) {
    if ((from.number<std::uint8_t>() & 1) != 0) {
        edit_id(statement.signature, from);
    } else {
        edit(statement.bytes, from);
    }
}

void edit_batch(SharedBatch& shared, Input& from) {
    auto batch = *shared;
    switch (from.number<std::uint8_t>() % 4u) {
        case 0:
            batch.seq = edited(batch.seq, from);
            break;
        case 1:
            batch.epoch = edited(batch.epoch, from);
            break;
        case 2:
            edit_id(batch.signature, from);
            break;
        default:
            edit(batch.bytes, from);
    }
    shared = std::make_shared<BatchEnvelope>(std::move(batch));
}

template <class Value>
void check_refused(const Result<Value>& result, std::initializer_list<errc> documented) {
    if (!result) require_documented(result.error(), documented);
}

void carry_batches(Input& from) {
    auto& all = sites();
    auto given = all.run;
    do {
        if ((from.number<std::uint8_t>() & 1) != 0) edit_order(given, from);
        if (given.empty()) return;
        edit_batch(given[from.number<std::uint8_t>() % given.size()], from);
    } while (!from.empty());
    check_refused(all.replica()->accept(given), errors_of_batches);
}

void carry_pages(Input& from) {
    auto& all = sites();
    const auto replica = all.replica();
    REQUIRE(replica->begin_copy());
    auto page = all.page;
    const bool is_edited = (from.number<std::uint8_t>() & 1) != 0;
    if (is_edited && !page.records.empty()) {
        auto& record = page.records[from.number<std::uint8_t>() % page.records.size()];
        edit((from.number<std::uint8_t>() & 1) != 0 ? record.sealed : record.handles, from);
    } else {
        edit_order(page.records, from);
    }
    const auto staged = replica->stage(page);
    check_refused(staged, {errc::malformed, errc::too_large});
    if (!staged) return;
    auto last_batch = all.run.back();
    if (!is_edited) edit_batch(last_batch, from);
    check_refused(replica->replay(std::vector{last_batch}), errors_of_batches);
}

void carry_request(Input& from) {
    auto& all = sites();
    auto request = all.admission;
    auto key = all.key;
    switch (from.number<std::uint8_t>() % 3u) {
        case 0:
            edit_id(request.invitation, from);
            break;
        case 1:
            edit_id(key, from);
            break;
        default:
            edit_statement(request.admission, from);
    }
    if (request.admission == all.admission.admission && key == all.key &&
        request.invitation == all.admission.invitation) {
        return;
    }
    const auto admitted = all.primary()->admit(request, key);
    require(!admitted, "nobody is let in by what was edited");
    require_documented(admitted.error(),
                       {errc::invalid_invitation,
                        errc::bad_signature,
                        errc::malformed,
                        errc::not_found,
                        errc::wrong_pool});
}

void carry_removal(Input& from) {
    auto& all = sites();
    auto batch = all.run[from.number<std::uint8_t>() % all.run.size()];
    if ((from.number<std::uint8_t>() & 1) != 0) edit_batch(batch, from);
    const auto removed = all.replica()->removed_by(batch);
    require(!removed, "nothing that was carried removes it");
    require_documented(removed.error(),
                       {errc::bad_signature,
                        errc::malformed,
                        errc::wrong_epoch,
                        errc::wrong_pool,
                        errc::too_large,
                        errc::unsupported_version});
}

void carry(Choice choice, Input& from) {
    auto& all = sites();
    if (choice == batches) return carry_batches(from);
    if (choice == removal) return carry_removal(from);
    if (choice == pages) return carry_pages(from);
    if (choice == request) return carry_request(from);
    auto statement = choice == pulse ? all.beat : all.statement;
    const auto genuine = statement;
    edit_statement(statement, from);
    const auto now = all.branch.place.environment->now();
    if (choice == designation) {
        const auto before = all.replica()->designations().size();
        const auto added = all.replica()->add_designations(std::span(&statement, 1));
        require(added.has_value() == (statement == genuine), "none but what was signed is taken");
        check_refused(added,
                      {errc::bad_signature, errc::malformed, errc::wrong_pool, errc::chain_gap});
        require(all.replica()->designations().size() == before, "and that one is held already");
    } else if (statement != genuine) {
        const auto held = all.replica()->newest_pulse(now);
        const auto taken = all.replica()->take_pulse(statement, now);
        require(!taken, "a pulse is the primary's");
        require_documented(
            taken.error(),
            {errc::bad_signature, errc::malformed, errc::wrong_pool, errc::wrong_epoch});
        require(all.replica()->newest_pulse(now) == held, "the one that was held stays");
    }
}

/// False: the replica has taken on what the primary wrote, which an edit can come to.
bool check_states() {
    auto& all = sites();
    require(testing::state_of(*all.hq.store) == all.at_hq, "a primary is as it was");
    const auto now = testing::state_of(*all.branch.store);
    if (now == all.at_branch) return true;
    const auto same =
        std::ranges::find(all.run, now.seq, [](const auto& each) { return each->seq; });
    require(same != all.run.end(), "a replica goes to where its primary was");
    REQUIRE(all.replica()->accept(all.run));
    require(testing::state_of(*all.branch.store) == all.at_hq, "and can follow it from there");
    // Signatures within a run are stored unread (lib/README.md).
    const auto verified = all.branch.store->log().verify();
    require(verified || verified.error() == errc::bad_signature, "and all that it holds is right");
    return false;
}

void run(BytesView input) {
    Input from(input);
    carry(static_cast<Choice>(from.number<std::uint8_t>() % last), from);
    if (!check_states()) kept_sites().reset();
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> inputs;
    for (unsigned choice = 0; choice < last; ++choice) {
        for (unsigned how = 0; how < 8; ++how) {
            Bytes script{static_cast<std::byte>(choice)};
            for (const auto each : {how, how / 2, 3u, 0u, 4u + how, 1u, 2u}) {
                script.push_back(static_cast<std::byte>(each));
            }
            inputs.push_back(std::move(script));
        }
    }
    return inputs;
}

const Target target("edited_store", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
