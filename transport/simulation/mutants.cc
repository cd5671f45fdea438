#include "simulation/mutants.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>

#include "countersign/mutants.h"
#include "countersign/swarm.h"

namespace countersign::simulation {

#ifdef COUNTERSIGN_MUTANTS

namespace {

struct Planted {
    Mutant mutant;
    MutantInfo info;
};

constexpr Planted catalogue[] = {
    {Mutant::skip_digest,
     {"skip_digest",
      "one_digest",
      "",
      "a replica leaves out erasures, and does not compare the digest that the batch signs"}},
    {Mutant::digest_keeps_erased,
     {"digest_keeps_erased",
      "replay",
      "answers,agreement",
      "what a record added to the digest stays in it when the record is erased"}},
    {Mutant::skip_batch_row,
     {"skip_batch_row",
      "replay",
      "agreement",
      "of batches that come together only the last is stored"}},
    {Mutant::skip_signature,
     {"skip_signature", "verified", "", "nobody looks at the signatures of batches"}},
    {Mutant::trailing_bytes,
     {"trailing_bytes",
      "verified",
      "",
      "bytes may follow a batch, and its signature does not cover them"}},
    {Mutant::keep_handle,
     {"keep_handle", "replay", "answers", "an erased record's handles stay in their table"}},
    {Mutant::login_twice,
     {"login_twice", "answers", "", "a login that somebody has is given out again"}},
    {Mutant::reuse_seq,
     {"reuse_seq",
      "prefix",
      "agreement,durable",
      "a restored primary writes before a member has said what it holds"}},
    {Mutant::skip_commit_error,
     {"skip_commit_error",
      "durable",
      "prefix,answers,agreement,one_digest",
      "a write whose COMMIT failed is reported as done, and sent to the others"}},
    {Mutant::async_commit,
     {"async_commit",
      "durable",
      "counted,opens,agreement,prefix,answers",
      "SQLite does not sync (synchronous=OFF)"}},
    {Mutant::hide_group_failure,
     {"hide_group_failure",
      "answers",
      "",
      "of writes that share a commit, one that failed is answered like the others"}},
    {Mutant::first_change_stays,
     {"first_change_stays",
      "agreement",
      "replay,one_digest,answers,durable",
      "of two changes of one record in one commit the batch has the first"}},
    {Mutant::ack_before_durable,
     {"ack_before_durable", "durable", "", "batches are acknowledged before they are stored"}},
    {Mutant::skip_copy_proof,
     {"skip_copy_proof",
      "one_digest",
      "agreement,replay",
      "a copy keeps its rows as they were paged, and is taken without its proof"}},
    {Mutant::keep_deleted,
     {"keep_deleted",
      "one_digest",
      "agreement,replay",
      "who was erased while a copy was under way stays in it, and the proof is not asked for"}},
    {Mutant::check_then_count,
     {"check_then_count",
      "bounded_guesses",
      "",
      "attempts that are being verified do not count against the limit"}},
    {Mutant::answer_before_durable,
     {"answer_before_durable",
      "counted",
      "bounded_guesses,single_use,answers",
      "an attempt is answered, and its row written after that"}},
    {Mutant::keep_failures, {"keep_failures", "answers", "", "a success clears no failures"}},
    {Mutant::same_incarnation,
     {"same_incarnation",
      "bounded_guesses",
      "prefix,single_use,durable,agreement",
      "a restored directory goes on as if nothing had happened"}},
    {Mutant::full_share_restored,
     {"full_share_restored",
      "bounded_guesses",
      "",
      "a restored directory has its whole share of guesses again"}},
    {Mutant::unlock_at_restart,
     {"unlock_at_restart", "bounded_guesses", "", "a lock ends when the process starts anew"}},
    {Mutant::step_at_last,
     {"step_at_last", "single_use", "", "a code is accepted again at the step that it spent"}},
    {Mutant::forget_spent,
     {"forget_spent",
      "single_use",
      "",
      "a restored directory accepts codes of steps that it may have seen spent"}},
    {Mutant::disabled_signs_in,
     {"disabled_signs_in", "answers", "", "nobody looks whether a user is disabled"}},
    {Mutant::newest_row_alone,
     {"newest_row_alone",
      "spread_guesses",
      "heard_use,answers,double_use_told",
      "of each author's rows only the last is passed on, and the vector rises to it"}},
    {Mutant::deaf_to_failures,
     {"deaf_to_failures",
      "spread_guesses",
      "answers",
      "a throttle counts what its own node has seen, and nothing else"}},
    {Mutant::deaf_to_spent,
     {"deaf_to_spent",
      "heard_use",
      "",
      "a code that another node is known to have accepted is accepted"}},
    {Mutant::silent_double_use,
     {"silent_double_use",
      "double_use_told",
      "",
      "two nodes' words that they accepted one code are stored and not told of"}},
    {Mutant::keep_removed,
     {"keep_removed", "removed", "", "a node that holds its own removal goes on"}},
    {Mutant::hide_fork,
     {"hide_fork", "fork", "", "nobody is told of two batches that were signed for one place"}},
    {Mutant::age_restarts,
     {"age_restarts", "fresh", "", "data is young again when the process starts anew"}},
    {Mutant::age_by_any_pulse,
     {"age_by_any_pulse",
      "fresh",
      "",
      "a sign of life makes data young of which batches are missing"}},
    {Mutant::constant_nonce, {"constant_nonce", "nonces", "", "all records have one nonce"}},
    {Mutant::login_in_event,
     {"login_in_event", "no_canary", "", "the event of an attempt that failed names the user"}},
    {Mutant::login_in_clear,
     {"login_in_clear", "no_canary", "", "handles are the names, not keyed hashes of them"}},
    {Mutant::keep_erased_rows,
     {"keep_erased_rows", "erased", "", "a replica keeps what it counted of an erased user"}},
    {Mutant::keep_wal,
     {"keep_wal", "erased", "", "compaction leaves the write-ahead log as it is"}},
};

}  // namespace

std::span<const MutantInfo> mutants() {
    static const auto infos = [] {
        std::array<MutantInfo, std::size(catalogue)> made;
        std::ranges::transform(catalogue, made.begin(), &Planted::info);
        return made;
    }();
    return infos;
}

Result<void> plant(std::string_view mutant) {
    const auto found = std::ranges::find(
        catalogue, mutant, [](const Planted& planted) { return planted.info.name; });
    if (found == std::end(catalogue) && !mutant.empty()) {
        return Error(
            errc::not_found,
            "no planted bug is called " + std::string(mutant) + "; --list names those that are");
    }
    planted_mutant = mutant.empty() ? Mutant::none : found->mutant;
    return {};
}

#else

std::span<const MutantInfo> mutants() {
    return {};
}

Result<void> plant(std::string_view mutant) {
    if (mutant.empty()) return {};
    return Error(errc::not_found,
                 "no planted bug is called " + std::string(mutant) +
                     "; this build has none (configure with -Dmutants=true)");
}

#endif

}  // namespace countersign::simulation
