#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/secret.h"

#include "sealing/aead.h"
#include "sealing/box.h"
#include "sealing/signature.h"

namespace countersign::membership {

/// What a new machine is given to join with. Whoever reads the text may use it, once, until it
/// expires: it holds the seed.
struct InvitationText {
    PoolId pool;
    sealing::PublicKey root_key{};
    sealing::BoxPublicKey channel_key{};  ///< of the node that invites
    std::vector<std::string> addresses;   ///< host:port of that node, in the order to try; 1 to 16
    Secret seed;                          ///< 32 bytes
};

constexpr std::size_t max_addresses = 16;
constexpr std::size_t max_address_size = 255;
/// host:port, the port 1 to 65,535; an IPv6 host stands in brackets.
bool is_address(std::string_view text) noexcept;
/// At most max_addresses, each of that form.
bool are_addresses(const std::vector<std::string>& texts) noexcept;

/// "csi1-" and base64url of: pool (16) | root key (32) | channel key (32) | seed (32) | number of
/// addresses (1) | each: size (1), text | the first 4 bytes of BLAKE2b-256 of all before, so that a
/// mistyped or shortened text is told from a refused one.
Secret print(const InvitationText& invitation);
/// Errors: errc::invalid_invitation.
Result<InvitationText> parse_invitation(std::string_view text);

/// What the seed gives: a name for the invitation that tells nothing of it, the psk of the first
/// handshake, and the key that signs the new node's own keys.
struct InvitationKeys {
    RecordId id;
    sealing::Key psk;
    sealing::SigningKey admission_key;
};
InvitationKeys derive_keys(const Secret& seed);

}  // namespace countersign::membership
