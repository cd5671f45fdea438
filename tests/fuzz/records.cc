// Records and signed statements (record.capnp). The first byte chooses which.
#include <array>

#include "fuzz/fuzz.h"
#include "records/codec.h"

namespace countersign::fuzz {
namespace {

using namespace records;

/// What encodes it beside `before`, where that is a thing.
template <class T>
concept Record = requires(const T& content, BytesView before) { encode(content, before); };

template <class T>
void check(Result<T> (*decode)(BytesView), BytesView bytes) {
    const auto content = decode(bytes);
    if (!content) return require_documented(content.error(), {errc::malformed});
    const Bytes plain = encode(*content);
    const auto again = decode(plain);
    require(again && encode(*again) == plain, "what was read can be written and read");
    if constexpr (Record<T>) {
        const Bytes edited = encode(*content, bytes);
        const auto kept = decode(edited);
        require(kept && encode(*kept) == plain, "beside what a newer release put there, the same");
        require(encode(*kept, edited) == edited, "written again over itself, nothing changes");
    }
}

void check_user(BytesView bytes) {
    check(decode_user, bytes);
    const auto user = decode_user(bytes);
    if (!user) return;
    require(user->authenticators.size() <= authenticators_limit, "authenticators within limit");
    require(user->recovery_codes.size() <= recovery_codes_limit, "recovery codes within limit");
    for (const auto& each : user->authenticators) {
        require(
            each.secret.size() >= totp_secret_minimum && each.secret.size() <= totp_secret_maximum,
            "a TOTP secret within its limits");
    }
}

constexpr std::array<void (*)(BytesView), 10> kinds = {
    check_user,
    [](BytesView bytes) { check(decode_pool_settings, bytes); },
    [](BytesView bytes) { check(decode_invitation_statement, bytes); },
    [](BytesView bytes) { check(decode_admission_statement, bytes); },
    [](BytesView bytes) { check(decode_invitation, bytes); },
    [](BytesView bytes) { check(decode_membership, bytes); },
    [](BytesView bytes) { check(decode_key_grant, bytes); },
    [](BytesView bytes) { check(decode_designation, bytes); },
    [](BytesView bytes) { check(decode_pulse, bytes); },
    [](BytesView bytes) { check(decode_departure, bytes); },
};

void run(BytesView input) {
    Input from(input);
    const auto choice = from.number<std::uint8_t>() % kinds.size();
    kinds[choice](from.rest());
}

User sample_user() {
    User user{
        .login = "zoe", .display_name = "Zoe", .email = "Zoe@b.org", .email_key = "zoe@b.org"};
    user.password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    user.password_version = PasswordVersion{7};
    for (const int id : {1, 2}) {
        user.authenticators.push_back({.id = filled_id<TotpId>(id),
                                       .label = "phone",
                                       .secret = sealing::PlainBytes::copy_of(Bytes(20)),
                                       .confirmed = id == 1});
    }
    user.recovery_codes = {filled_id<RecoveryDigest>(3), filled_id<RecoveryDigest>(4)};
    return user;
}

std::vector<Bytes> seeds() {
    const SignedStatement statement{Bytes(40, std::byte{1}), filled_id<sealing::Signature>(2)};
    const InvitationStatement invitation{
        .name = "branch", .capabilities = Capability::propose, .realms = {RealmId{1}, RealmId{2}}};
    const Membership membership{.invitation = statement,
                                .admission = statement,
                                .addresses = {"a.example:7700", "[2001:db8::1]:1"}};
    const std::vector<Bytes> all{
        encode(sample_user()),
        encode(PoolSettings{.issuer = "https://id.example", .unicode_version = "15.0.0"}),
        encode(invitation),
        encode(AdmissionStatement{}),
        encode(
            Invitation{.statement = statement, .psk = Bytes(32), .spent_by = filled_id<NodeId>(5)}),
        encode(membership),
        encode(KeyGrant{.realm = RealmId{3}, .keys = {{KeyVersion{1}, Bytes(80)}}}),
        encode(Designation{.epoch = Epoch{3}}),
        encode(Pulse{.seq = LogSeq{9}}),
        encode(Departure{.rows = {{Incarnation{3}, RowSeq{9}}}})};
    std::vector<Bytes> inputs;
    for (unsigned i = 0; i < all.size(); ++i) inputs.push_back(with_choice(i, all[i]));
    inputs.push_back(with_choice(0, encode(User{})));
    return inputs;
}

const Target target("record", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
