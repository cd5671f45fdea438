#include "records/codec.h"

#include <algorithm>

#include <capnp/any.h>

#include "records/flat_message.h"
#include "records/record.capnp.h"

namespace countersign::records {
namespace {

using flat::time;
using flat::unix_ms;

void write_authenticator(schema::Authenticator::Builder to, const Authenticator& from) {
    to.setId(flat::view(from.id.bytes));
    to.setLabel(flat::text(from.label));
    to.setSecret(flat::view(from.secret.bytes()));
    to.setAlgorithm(value(from.algorithm));
    to.setDigits(from.digits);
    to.setPeriod(from.period);
    to.setConfirmed(from.confirmed);
    to.setCreated(unix_ms(from.created));
}

Authenticator read_authenticator(schema::Authenticator::Reader from) {
    Authenticator to;
    to.id = flat::id<TotpId>(from.getId());
    to.label = flat::to_string(from.getLabel());
    const auto secret = flat::view(from.getSecret());
    KJ_REQUIRE(secret.size() >= totp_secret_minimum && secret.size() <= totp_secret_maximum,
               "a TOTP secret of an impossible size");
    to.secret = sealing::PlainBytes::copy_of(secret);
    KJ_REQUIRE(from.getAlgorithm() >= 1 && from.getAlgorithm() <= 3, "an unknown TOTP algorithm");
    to.algorithm = TotpAlgorithm{from.getAlgorithm()};
    to.digits = from.getDigits();
    to.period = from.getPeriod();
    KJ_REQUIRE(to.digits >= 6 && to.digits <= 8 && to.period != 0, "impossible TOTP settings");
    to.confirmed = from.getConfirmed();
    to.created = time(from.getCreated());
    return to;
}

/// The list of `from`, in which each keeps what a newer release put into its namesake in `user`.
void write_authenticators(schema::User::Builder user, const std::vector<Authenticator>& from) {
    if (from.empty()) {
        user.initAuthenticators(0);
        return;
    }
    using Private = schema::Authenticator::_capnpPrivate;
    const auto before = user.asReader().getAuthenticators();
    std::size_t words = Private::dataWordSize;
    std::size_t pointers = Private::pointerCount;
    for (const auto& each : before) {
        const auto raw = capnp::toAny(each);
        words = std::max(words, raw.getDataSection().size() / flat::word);
        pointers = std::max<std::size_t>(pointers, raw.getPointerSection().size());
    }
    capnp::MallocMessageBuilder scratch;
    auto list = scratch.getRoot<capnp::AnyPointer>().initAsListOfAnyStruct(
        static_cast<std::uint16_t>(words),
        static_cast<std::uint16_t>(pointers),
        static_cast<unsigned>(from.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
        for (const auto& each : before) {
            if (flat::view(each.getId()).size() != TotpId::size ||
                !std::ranges::equal(flat::view(each.getId()), from[i].id.bytes)) {
                continue;
            }
            const auto raw = capnp::toAny(each);
            std::ranges::copy(raw.getDataSection(), list[i].getDataSection().begin());
            auto to = list[i].getPointerSection();
            const auto old = raw.getPointerSection();
            for (unsigned k = 0; k < old.size(); ++k) to[k].set(old[k]);
        }
        write_authenticator(list[i].as<schema::Authenticator>(), from[i]);
    }
    user.setAuthenticators(scratch.getRoot<capnp::AnyPointer>()
                               .getAs<capnp::List<schema::Authenticator>>()
                               .asReader());
}

void write_throttle(schema::Throttle::Builder to, const ThrottleSettings& from) {
    to.setMaxFailures(from.max_failures);
    to.setLockFor(static_cast<std::uint32_t>(from.lock_for.count()));
    to.setBackoff(from.backoff);
    to.setLockCap(static_cast<std::uint32_t>(from.lock_cap.count()));
}

ThrottleSettings read_throttle(schema::Throttle::Reader from) {
    return {.max_failures = from.getMaxFailures(),
            .lock_for = milliseconds{from.getLockFor()},
            .backoff = from.getBackoff(),
            .lock_cap = milliseconds{from.getLockCap()}};
}

}  // namespace

Bytes encode(const User& user, BytesView before) {
    flat::FirstSegment first;
    capnp::MallocMessageBuilder message(first.words);
    auto root = flat::start<schema::User>(message, before);
    root.setLogin(flat::text(user.login));
    root.setDisplayName(flat::text(user.display_name));
    root.setEmail(flat::text(user.email));
    root.setDisabled(user.disabled);
    root.setPasswordHash(flat::text(user.password_hash));
    root.setPasswordVersion(value(user.password_version));
    root.setPasswordChanged(unix_ms(user.password_changed));
    write_authenticators(root, user.authenticators);
    root.setRecoveryVersion(user.recovery_version);
    auto codes = root.initRecoveryCodes(static_cast<unsigned>(user.recovery_codes.size()));
    for (unsigned i = 0; i < codes.size(); ++i) {
        codes.set(i, flat::view(user.recovery_codes[i].bytes));
    }
    root.setRecoveryMade(unix_ms(user.recovery_made));
    root.setCreated(unix_ms(user.created));
    root.setModified(unix_ms(user.modified));
    root.setEmailKey(flat::text(user.email_key == user.email ? std::string() : user.email_key));
    return flat::write(message, !before.empty());
}

Result<User> decode_user(BytesView bytes) {
    User user;
    const auto read = flat::read<schema::User>(bytes, "a user's record", [&](auto root) {
        user.login = flat::to_string(root.getLogin());
        user.display_name = flat::to_string(root.getDisplayName());
        user.email = flat::to_string(root.getEmail());
        user.disabled = root.getDisabled();
        user.password_hash = flat::to_string(root.getPasswordHash());
        user.password_version = PasswordVersion{root.getPasswordVersion()};
        user.password_changed = time(root.getPasswordChanged());
        const auto authenticators = root.getAuthenticators();
        KJ_REQUIRE(authenticators.size() <= authenticators_limit, "too many authenticators");
        for (const auto& each : authenticators) {
            user.authenticators.push_back(read_authenticator(each));
        }
        user.recovery_version = root.getRecoveryVersion();
        const auto codes = root.getRecoveryCodes();
        KJ_REQUIRE(codes.size() <= recovery_codes_limit, "too many recovery codes");
        for (const auto& each : codes) {
            user.recovery_codes.push_back(flat::id<RecoveryDigest>(each));
        }
        user.recovery_made = time(root.getRecoveryMade());
        user.created = time(root.getCreated());
        user.modified = time(root.getModified());
        user.email_key = flat::to_string(root.getEmailKey());
        if (user.email_key.empty()) user.email_key = user.email;
    });
    if (!read) return read.error();
    return user;
}

Bytes encode(const PoolSettings& settings, BytesView before) {
    flat::FirstSegment first;
    capnp::MallocMessageBuilder message(first.words);
    auto root = flat::start<schema::PoolSettings>(message, before);
    root.setIssuer(flat::text(settings.issuer));
    root.setUnicodeVersion(flat::text(settings.unicode_version));
    root.setUniqueEmail(settings.unique_email);
    root.setPasswordMinimum(settings.password_minimum);
    root.setPasswordMaximum(settings.password_maximum);
    root.setHashMemoryKib(settings.hash_memory_kib);
    root.setHashPasses(settings.hash_passes);
    write_throttle(root.getPasswordThrottle(), settings.password_throttle);
    write_throttle(root.getCodeThrottle(), settings.code_throttle);
    root.setGuessBudget(settings.guess_budget);
    return flat::write(message, !before.empty());
}

Result<PoolSettings> decode_pool_settings(BytesView bytes) {
    PoolSettings settings;
    const auto read =
        flat::read<schema::PoolSettings>(bytes, "the pool's settings", [&](auto root) {
            settings.issuer = flat::to_string(root.getIssuer());
            settings.unicode_version = flat::to_string(root.getUnicodeVersion());
            settings.unique_email = root.getUniqueEmail();
            settings.password_minimum = root.getPasswordMinimum();
            settings.password_maximum = root.getPasswordMaximum();
            settings.hash_memory_kib = root.getHashMemoryKib();
            settings.hash_passes = root.getHashPasses();
            settings.password_throttle = read_throttle(root.getPasswordThrottle());
            settings.code_throttle = read_throttle(root.getCodeThrottle());
            settings.guess_budget = root.getGuessBudget();
        });
    if (!read) return read.error();
    return settings;
}

}  // namespace countersign::records
