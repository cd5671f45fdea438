#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

#include "attempts/merge.h"
#include "attempts/own_row.h"
#include "attempts/sightings.h"
#include "attempts/spent.h"
#include "attempts/tables.h"
#include "attempts/unknown_rows.h"
#include "sealing/signature.h"

namespace countersign::attempts {

/// What the callers of one group write about attempts, in one SQLite transaction: begun after that
/// transaction, flushed before its commit, and thrown away with it if it rolls back. Everything is
/// read inside the transaction, so two processes may write one directory.
///
/// Each call applies whole or, when it returns an error, not at all, and sees what the calls before
/// it did. Nothing reaches the tables before flush. Only a credential's first reading, `is_free`
/// and `spend` can fail: a caller with several things to write calls tallies() of its credentials
/// and those first, and then leaves no half behind. Errors of all calls: those of Tables;
/// errc::not_found for a user erased in this group.
class Journal {
  public:
    /// All references outlive the journal.
    struct Context {
        const sealing::SigningKey& key;  ///< the node's; its public key is the node's id
        LogSeq head{};                   ///< the log head in this transaction
        const WhoseWord& whose_word;
        const WhoseSpent& whose_spent;
        const Sightings& sightings;
        Instant now{};
    };

    /// Errors: errc::corrupt when the directory has no author row.
    static Result<Journal> begin(Tables& tables, const Context& context);

    /// As they stand, with what was done in this group.
    Result<TallySet> tallies(const CredentialId& credential);

    Result<void> count_failure(const CredentialId& credential);
    /// False when there was nothing to clear: nothing will be written. In a restored directory the
    /// credential is also noted as renewed, once (Share::has_renewed).
    Result<bool> record_success(const CredentialId& credential);
    Result<bool> operator_clear(const CredentialId& credential);

    /// Whether a code may be used, by what this node and those before in the group have spent
    /// (step_is_free, code_is_spent).
    Result<bool> is_free(const CredentialId& credential, const Code& code, const StepView& view);
    /// Marks a code as used which is_free has just found free in this group: for several that are
    /// spent together or not at all.
    void mark_spent(const CredentialId& credential, const Code& code, UnixTime expiry);
    /// Both. False when it is not free: then nothing is written.
    Result<bool> spend(const CredentialId& credential,
                       const Code& code,
                       UnixTime expiry,
                       const StepView& view);

    /// Takes a verified row of another author that the caller has decided to keep, and does to this
    /// node's row what follows: opens a new window if all is cleared, drops clears that nobody
    /// needs. False, and nothing changes, when that row or a newer one is known.
    /// A clear in it that takes effect on what this life has counted is an unlock that has reached
    /// it: in a restored directory the credential is then noted as renewed. (One made before this
    /// life began names an earlier one, and says nothing of what was lost with it.)
    /// Errors: errc::malformed when the `row_seq` is 2^63 or more.
    Result<bool> take(const TallyRow& row, const sealing::Signature& signature);
    /// The same. Returns the nodes that are known to have accepted the code too, if the word of
    /// both counts: a double use, to be told by an event.
    Result<std::vector<NodeId>> take(const SpentRow& row, const sealing::Signature& signature);

    /// All rows of `author` up to `row_seq`, in their order, have been taken or judged.
    void hear(const Author& author, RowSeq row_seq);
    /// What `hear` was told in this group.
    const std::map<Author, RowSeq>& heard() const noexcept { return heard_; }

    /// Catches `unknown` up and lets go of failures of unknown names beyond its bound, at most
    /// 1,024 in one group. To be called first in a group, before anything was counted. Returns true
    /// for an overrun: see UnknownRows::catch_up.
    Result<bool> make_room(UnknownRows& unknown);

    /// Everything that anyone has said about a user goes.
    void erase(const UserId& user);

    /// Whose failures were cleared in this group, and by which node: once for each success or
    /// unlock that cleared any, and each row of another author that brought a clear. For
    /// ClearWatch.
    const std::vector<std::pair<NodeId, UserId>>& clears() const noexcept { return clears_; }

    bool has_changes() const noexcept;

    /// Writes each changed row, signed once however often it changed, and the author row. Writes
    /// nothing when nothing changed. Once per journal. After any error the transaction must be
    /// rolled back.
    Result<void> flush(UnixTime wall);

    /// As flush leaves it. Once the transaction is committed, its `arrival` is for Sightings::note.
    const AuthorRow& author() const noexcept { return author_; }

  private:
    struct Mark {
        Arrival arrival{};
        bool is_changed = false;
        std::optional<sealing::Signature> signature;  // of another author
    };
    struct Held {
        TallySet rows;
        std::map<Author, Mark> marks;
        bool is_renewed = true;  ///< or need not be: the directory was not restored
        bool renews = false;
    };
    struct PendingSpent {
        SpentRow row;
        std::optional<sealing::Signature> signature;  // of another author
    };

    Journal(Tables& tables, const Context& context, const AuthorRow& author);

    NodeId node() const noexcept { return {context_.key.public_key()}; }
    Stamp next_stamp() const noexcept;
    Result<Held*> hold(const CredentialId& credential);
    bool write_own(Held& held, std::optional<TallyRow> row);
    bool write_clear(Held& held, std::optional<TallyRow> row);
    bool put(Held& held, const TallyRow& row, const std::optional<sealing::Signature>& signature);
    bool is_unlocked_by(const Held& held, const TallyRow& row) const;
    Result<bool> let_go(const CredentialId& credential);
    Result<void> write_tallies();
    Result<void> write_spent();

    Tables* tables_;
    Context context_;
    AuthorRow author_;
    std::map<CredentialId, Held> held_;
    std::map<CredentialId, std::vector<PendingSpent>> spent_;
    std::map<Author, RowSeq> heard_;
    std::set<UserId> erased_;
    std::vector<std::pair<NodeId, UserId>> clears_;
    bool has_rows_ = false;
};

}  // namespace countersign::attempts
