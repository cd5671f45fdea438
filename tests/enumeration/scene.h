#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "countersign/store.h"

#include "support/store_fixture.h"
#include "transport/simulation/disk_machine.h"

namespace countersign::testing {

/// What every scene begins with: a primary with users in many states, a branch that has joined and
/// lags, another node that asks to be let in, and what these have to say to each other.
struct Facts {
    UserId alice;  ///< a password
    UserId bob;    ///< an authenticator too
    Authenticator bobs;
    UserId carol;  ///< one that is not confirmed
    TotpId carols;
    Secret carols_uri;
    UserId dave;  ///< recovery codes, and failures that count against him
    std::vector<Secret> daves_codes;
    UserId erin;  ///< to be erased
    NodeId branch;

    Secret invitation;  ///< of the node "edge"
    JoinRequest request;
    ChannelPublicKey edge_key;
    Admission admission() const;
    Secret psk;
    Secret secret;
    std::vector<SignedBytes> designations;
    std::vector<CopyPage> pages;
    std::vector<SharedBatch> replayed;  ///< what the pages need to become a whole
    std::vector<SharedBatch> news;      ///< what the branch lacks
    SharedBatch removal;                ///< of the branch
};

/// Which machine, and how far it is.
enum class Start : std::uint8_t {
    empty,       ///< no directory
    primary,     ///< the furnished primary
    invited,     ///< edge, before `join`
    asking,      ///< edge, let in by nobody
    admitted,    ///< edge, with nothing but the pool's keys
    copying,     ///< edge, all pages staged
    branch,      ///< the branch, lagging
    branch_news  ///< the branch, up to date
};

/// A machine at such a start, and the store that runs on it.
struct Scene {
    explicit Scene(Start start, std::uint64_t seed = 1);

    Result<void> open();
    /// The process ends without another word, and whatever was planned with it; the power is on.
    void end();

    Start start;
    const Facts& facts;
    DiskMachine machine;
    Options options;  ///< of the process that runs
    HeardEvents events;
    std::optional<Store> store;  ///< goes before what it stands on
};

const Facts& facts();

}  // namespace countersign::testing
