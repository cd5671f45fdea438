#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "countersign/ids.h"
#include "countersign/nodes.h"
#include "countersign/time.h"

#include "sealing/hash.h"
#include "sealing/signature.h"

namespace countersign::records {

/// Exact bytes and the signature over them. The bytes are kept, relayed and verified as they are.
struct SignedStatement {
    Bytes bytes;
    sealing::Signature signature{};
};

/// What the root key signs to let a node in.
struct InvitationStatement {
    PoolId pool;
    sealing::PublicKey admission_key{};
    std::string name;
    Capability capabilities = Capability::none;
    std::vector<RealmId> realms;
    UnixTime created{};
    UnixTime expires{};
};

/// What the admission key signs on the new machine: the keys that were made there.
struct AdmissionStatement {
    PoolId pool;
    NodeId node;
    sealing::PublicKey channel_key{};
    sealing::PublicKey token_key{};
};

struct Invitation {
    SignedStatement statement;  ///< an InvitationStatement, signed by the root key
    Bytes psk;                  ///< 32 bytes, of the joiner's first handshake
    std::optional<NodeId> spent_by;
};

struct Membership {
    SignedStatement invitation;  ///< an InvitationStatement, signed by the root key
    SignedStatement admission;   ///< an AdmissionStatement, signed by the first one's admission key
    std::vector<std::string> addresses;
    UnixTime joined{};
};

struct KeyGrant {
    struct Key {
        KeyVersion version{};
        Bytes box;  ///< the data key, sealed to the node's channel key
    };
    NodeId node;
    RealmId realm{};
    std::vector<Key> keys;
    UnixTime granted{};
};

/// Of a node that was removed: up to which of its rows of attempts the primary had come.
struct Departure {
    struct Place {
        Incarnation incarnation{};
        RowSeq row_seq{};
        friend bool operator==(const Place&, const Place&) = default;
    };
    NodeId node;
    std::vector<Place> rows;
    UnixTime removed{};
};

/// Who is primary from which batch on. Order is (root term, epoch), then node.
struct Designation {
    PoolId pool;
    RootTerm root_term{};
    Epoch epoch{};
    NodeId node;
    LogSeq base_seq{};
    sealing::Hash256 base_hash{};
    sealing::Hash256 previous{};
    UnixTime time{};
};

/// The primary's sign of life: at `time` its log stood at this batch.
struct Pulse {
    PoolId pool;
    RootTerm root_term{};
    Epoch epoch{};
    NodeId node;
    LogSeq seq{};
    sealing::Hash256 head_hash{};
    UnixTime time{};
};

}  // namespace countersign::records
