#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>

#include "countersign/ids.h"
#include "countersign/time.h"

#include "attempts/credential.h"
#include "sealing/aead.h"

/// Names that no user has are counted against like any other, so that locking tells nobody which
/// names exist. (Who holds the records can look an id up; nobody else can tell.)
namespace countersign::attempts {

/// The user that a normalised name would be: a UUIDv7 by its looks, of which 64 bits are a keyed
/// hash of the name and all others follow from those under the same key. All nodes with one `key`
/// (a key derived from the pool secret) give a name the same id.
UserId pseudo_user_id(std::string_view normalised_name, sealing::KeyView key);

/// True for what pseudo_user_id gives under this key; for another id with a chance of 2^-46. So a
/// row about an unknown name is not taken for one about a user who was erased.
bool is_pseudo_user_id(const UserId& id, sealing::KeyView key);

/// The credential to count against.
CredentialId pseudo_credential(std::string_view normalised_name, sealing::KeyView key);

/// Which of one author's rows are about unknown names, by newest failure, so that their number
/// stays bounded. Not thread-safe: its user locks.
class UnknownNames {
  public:
    static constexpr std::size_t max_names = 65'536;
    static constexpr milliseconds overrun_within{3'600'000};

    /// A row that has to go, by a new window with no failures.
    struct Leaving {
        CredentialId credential;
        /// Its newest failure is less than an hour old: more names than that in an hour are tried.
        /// To be told by an event.
        bool is_overrun = false;
    };

    /// `limit` is at least 1. About 200 bytes for each name.
    explicit UnknownNames(std::size_t limit = max_names);

    /// A failure was counted in the row that now has this `row_seq`. Returns the row whose newest
    /// failure is oldest when there is one too many; it is then known no more. After a restart, to
    /// be called for each stored row that has failures, with the time of the start.
    std::optional<Leaving> failed(const CredentialId& credential, RowSeq row_seq, Instant now);

    /// The row has no failures any more. Nothing happens when it was not known.
    void cleared(const CredentialId& credential);

    std::size_t size() const noexcept { return names_.size(); }

  private:
    struct Newest {
        RowSeq row_seq;
        Instant failed_at;
    };

    std::size_t limit_;
    std::map<CredentialId, Newest> names_;
    std::map<RowSeq, CredentialId> order_;
};

}  // namespace countersign::attempts
