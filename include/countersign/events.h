#pragma once

#include <functional>
#include <string>

#include "countersign/ids.h"
#include "countersign/time.h"

namespace countersign {

/// Something that an operator should know of, beyond the outcome of a call.
struct Event {
    enum class Kind {
        new_incarnation,    ///< the directory was copied or restored; `detail` says how that shows
        unclean_end,        ///< the last process did not close the store
        members_not_heard,  ///< after an unclean end a primary writes without the word of all
        damage_found,       ///< stored bytes are not what was signed
        damage_repaired,    ///< it is what was signed again; `detail` says what was, and from where
        scrub_finished,     ///< every record was re-read and adds up
        attempt_refused,    ///< an attempt could not be counted durably, so it was refused
        many_clears,        ///< one node cleared one user's failures unusually often
        too_many_rows,    ///< a node's rows of attempts are more than it may have; they are dropped
        many_unknown,     ///< rows of unknown names are leaving before their time
        hash_above_caps,  ///< a stored hash string asks for more than the caps allow
        clock_behind,     ///< the wall clock is below the time floor: codes are refused
        clock_jumped,     ///< wall and monotonic clock moved apart
        code_used_twice,  ///< one code was accepted by two nodes that had not heard of each other
        data_key_missing,     ///< a granted key could not be opened
        housekeeping_failed,  ///< retention, checkpoint or scrub could not be done; tried again
        disk_failed,          ///< a sync failed; the store tries to recover, or has stopped
        copy_refused,         ///< a copy was not what the primary signed; it was thrown away
        fork,             ///< two signed batches claim one place in the log, or a member says so
        clone_suspected,  ///< two directories speak as one node
        invitation_made,
        node_joined,
        node_removed,
    };
    Kind kind;
    UnixTime time;
    /// For logs: escaped, holds ids and never names or secrets.
    std::string detail;
};

/// The stable name of a kind: "new_incarnation".
const char* name(Event::Kind kind) noexcept;

/// Called on whichever thread noticed; must not call the store back and should return soon.
using EventHandler = std::function<void(const Event&)>;

}  // namespace countersign
