#include "attempts/credential.h"

#include <algorithm>
#include <cassert>

namespace countersign::attempts {

CredentialId CredentialId::versioned(const UserId& user,
                                     CredentialKind kind,
                                     std::uint64_t version) {
    assert(version != 0);
    CredentialId credential;
    credential.user_ = user;
    credential.kind_ = kind;
    for (std::size_t i = 0; i < credential.part_.size(); ++i) {
        credential.part_[i] = static_cast<std::byte>(version >> (8 * i));
    }
    return credential;
}

CredentialId CredentialId::password(const UserId& user, PasswordVersion version) {
    return versioned(user, CredentialKind::password, value(version));
}

CredentialId CredentialId::recovery(const UserId& user, std::uint64_t version) {
    return versioned(user, CredentialKind::recovery, version);
}

CredentialId CredentialId::totp(const UserId& user, const TotpId& totp) {
    CredentialId credential;
    credential.user_ = user;
    credential.kind_ = CredentialKind::totp;
    credential.part_ = totp.bytes;
    return credential;
}

std::array<std::byte, CredentialId::size> CredentialId::bytes() const noexcept {
    std::array<std::byte, size> bytes{};
    std::ranges::copy(user_.bytes, bytes.begin());
    bytes[UserId::size] = static_cast<std::byte>(kind_);
    std::ranges::copy(part_, bytes.begin() + UserId::size + 1);
    return bytes;
}

Result<CredentialId> CredentialId::from_bytes(std::span<const std::byte> bytes) {
    if (bytes.size() != size) return Error(errc::malformed, "a credential has 25 bytes");
    CredentialId credential;
    std::ranges::copy(bytes.first(UserId::size), credential.user_.bytes.begin());
    std::ranges::copy(bytes.subspan(UserId::size + 1), credential.part_.begin());
    credential.kind_ = static_cast<CredentialKind>(bytes[UserId::size]);
    switch (credential.kind_) {
        case CredentialKind::password:
        case CredentialKind::recovery:
            if (credential.part_ == decltype(credential.part_){}) {
                return Error(errc::malformed, "the versions of a credential begin with 1");
            }
            return credential;
        case CredentialKind::totp:
            return credential;
    }
    return Error(errc::malformed, "unknown kind of credential");
}

}  // namespace countersign::attempts
