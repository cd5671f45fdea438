// Sealed records and challenges: bytes that only the right key opens. The first byte chooses which.
#include "accounts/challenge.h"
#include "fuzz/fuzz.h"
#include "records/seal.h"

namespace countersign::fuzz {
namespace {

using sealing::Key;

Key key_of(int byte) {
    return Key(Secret(Bytes(sealing::key_size, static_cast<std::byte>(byte))));
}

const PoolId pool = filled_id<PoolId>(1);

std::shared_ptr<const sealing::Keyring> keys() {
    static const auto all = [] {
        auto made = std::make_shared<sealing::Keyring>(key_of(1), key_of(2));
        (void)made->add(RealmId{1}, KeyVersion{3}, key_of(3));
        return made;
    }();
    return all;
}

const records::RecordName name{records::RecordKind::user, filled_id<RecordId>(4)};

/// The one record whose bytes a fuzzer is given, so that it can be told from all others.
Bytes the_record() {
    const records::Sealer sealer(pool, keys());
    return *sealer.seal(name, RealmId{1}, Bytes(24, std::byte{5}), filled_id<sealing::Nonce>(6));
}

void check_record(BytesView sealed) {
    const auto header = records::SealHeader::parse(sealed);
    if (!header) require_documented(header.error(), {errc::malformed, errc::newer_format});
    const records::Sealer sealer(pool, keys());
    const auto opened = sealer.open(name, sealed);
    if (!opened) {
        require_documented(opened.error(), {errc::not_held, errc::corrupt, errc::newer_format});
        if (header && header->realm == RealmId{1} && header->version == KeyVersion{3}) {
            require(opened.error() == errc::corrupt, "what a key is held for was damaged");
        }
        return;
    }
    static const Bytes genuine = the_record();
    require(std::ranges::equal(sealed, genuine), "nobody without the key makes a record");
}

/// The input as a record's content: what is sealed opens as it was, and not once it is changed.
void check_content(BytesView content) {
    const records::Sealer sealer(pool, keys());
    auto sealed = sealer.seal(name, RealmId{1}, content, filled_id<sealing::Nonce>(7));
    if (!sealed) return require_documented(sealed.error(), {errc::too_large});
    const auto opened = sealer.open(name, *sealed);
    require(opened && std::ranges::equal(opened->bytes(), content), "a record opens as it was");
    const std::size_t at = content.empty() ? 0 : std::to_integer<std::size_t>(content[0]);
    (*sealed)[at % sealed->size()] ^= std::byte{1};
    require(!sealer.open(name, *sealed), "a changed record does not open");
}

const sealing::SigningKey& signer() {
    static const sealing::SigningKey key(key_of(8).view());
    return key;
}

std::string challenge_of(Input from) {
    const accounts::Challenge challenge{
        .id = from.id<decltype(accounts::Challenge::id)>(),
        .user = from.id<UserId>(),
        .realm = RealmId{1},
        .password_version = PasswordVersion{from.number<std::uint64_t>()},
        .issuer = NodeId{signer().public_key()},
        .expires = UnixTime{milliseconds{from.number<std::int64_t>()}}};
    const auto text =
        accounts::seal_challenge(challenge, pool, *keys(), signer(), filled_id<sealing::Nonce>(9));
    const auto opened = accounts::open_challenge(*text, pool, *keys());
    require(opened && opened->id == challenge.id && opened->user == challenge.user &&
                opened->realm == challenge.realm && opened->issuer == challenge.issuer &&
                opened->password_version == challenge.password_version &&
                opened->expires == challenge.expires,
            "a challenge says what was put into it");
    return *text;
}

void check_challenge(BytesView input) {
    static const auto genuine = challenge_of(Input({}));
    const auto opened = accounts::open_challenge(text_of(input), pool, *keys());
    if (!opened) {
        return require_documented(opened.error(),
                                  {errc::malformed, errc::not_held, errc::bad_signature});
    }
    require(text_of(input) == genuine, "nobody without the keys makes a challenge");
}

void run(BytesView input) {
    Input from(input);
    switch (from.number<std::uint8_t>() % 4u) {
        case 0:
            return check_record(from.rest());
        case 1:
            return check_content(from.rest());
        case 2:
            return check_challenge(from.rest());
        default:
            challenge_of(from);
    }
}

std::vector<Bytes> seeds() {
    return {with_choice(0, the_record()),
            with_choice(0, {}),
            with_choice(1, Bytes(30, std::byte{1})),
            with_choice(2, view_of(challenge_of(Input({})))),
            with_choice(3, Bytes(48, std::byte{2}))};
}

const Target target("sealed", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
