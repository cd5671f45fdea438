#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "countersign/environment.h"
#include "countersign/error.h"
#include "countersign/link.h"

namespace countersign {

class Hall;

/// A node to dial.
struct Contact {
    ChannelPublicKey channel_key;
    NodeId node;       ///< all zero: whom the invitation named, as long as no log is held
    std::string name;  ///< empty: not known yet
    std::vector<std::string> addresses;  ///< host:port, in the order to try; may be empty
    bool is_primary = false;
    bool is_asked = false;  ///< to be dialled whoever else is linked
};

/// What drives a store's links works with: Node (asio.h) uses it, and so does an application that
/// brings its own event loop (link.h). Thread-safe; must not outlive the Store, nor may what it
/// gives, tasks that links handed out included.
class Links {
  public:
    /// The lock of the one process that keeps this directory's links; dropping the object gives it
    /// back. Errors: errc::already_served, errc::read_only, errc::io_error.
    Result<std::unique_ptr<FileLock>> serve();

    /// What links ask. Always the same object.
    std::shared_ptr<LinkStore> store();

    /// By what this node is let in, for Link::join with each of `contacts`; none: it is a member
    /// already, so Link::dial.
    std::optional<Link::Invited> invitation();
    /// Whom this node keeps a link to: the primary first, then the others that may feed it, in an
    /// order that all nodes compute alike. The primary itself dials nobody: empty, but after an
    /// unclean end, until it has heard from all members or Options::unclean_end_wait is over, those
    /// members.
    std::vector<Contact> contacts();

    /// Called after each change of head, memberships or designations, on whichever thread noticed;
    /// it must not call back and should return soon: every Link then wants on_commit. Replaces the
    /// one before; empty: none, and on return none is being called.
    void on_change(std::function<void()> handler);
    /// Looks whether another process has committed, and if so calls the handler. About a
    /// microsecond; to be called every 50 ms or less while links are kept.
    Result<void> look();

    /// How the links stand, for `status` and compaction of every process on this directory.
    /// Written to a file beside the store when it differs, at most once a second.
    void show(std::span<const LinkStatus> links);

  private:
    friend class Store;
    explicit Links(Hall& hall) : hall_(&hall) {}
    Hall* hall_;
};

}  // namespace countersign
