#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

#include "countersign/error.h"
#include "countersign/ids.h"

namespace countersign::attempts {

enum class CredentialKind : std::uint8_t {
    password = 1,
    totp = 2,
    recovery = 3,
};

/// What attempts are counted against: one version of a user's password, so that a changed password
/// starts afresh, or one authenticator; and one set of recovery codes, for what is spent of it. An
/// unknown name has a password credential too, of a pseudo user and version 1 (unknown_names.h):
/// the shape does not tell.
class CredentialId {
  public:
    static constexpr std::size_t size = 25;

    /// `version` is at least 1.
    static CredentialId password(const UserId& user, PasswordVersion version);
    static CredentialId totp(const UserId& user, const TotpId& totp);
    /// `version` counts the user's sets of recovery codes from 1.
    static CredentialId recovery(const UserId& user, std::uint64_t version);

    const UserId& user() const noexcept { return user_; }
    CredentialKind kind() const noexcept { return kind_; }

    /// | byte | field |
    /// |---|---|
    /// | 0 | user, 16 bytes |
    /// | 16 | kind: 1 password, 2 TOTP, 3 recovery codes |
    /// | 17 | the version, 8 bytes little-endian, or the TotpId |
    ///
    /// So the rows of one user lie together in an index.
    std::array<std::byte, size> bytes() const noexcept;
    /// Errors: errc::malformed for another size, an unknown kind, or version 0.
    static Result<CredentialId> from_bytes(std::span<const std::byte> bytes);

    friend auto operator<=>(const CredentialId&, const CredentialId&) = default;

  private:
    CredentialId() = default;
    static CredentialId versioned(const UserId& user, CredentialKind kind, std::uint64_t version);

    UserId user_;
    CredentialKind kind_ = CredentialKind::password;
    std::array<std::byte, 8> part_{};
};

}  // namespace countersign::attempts
