#include "channel/symmetric_state.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "channel/cipher_state.h"
#include "channel/handshake_state.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::channel;

using countersign::testing::unhex;
using countersign::testing::vectors;

namespace {

Bytes bytes_of(const nlohmann::json& test, const char* member) {
    return unhex(test.at(member).get<std::string>());
}

/// What the keys of both directions make of one message, each.
std::pair<Bytes, Bytes> sealed_with_keys_of(SymmetricState state) {
    auto [forth, back] = std::move(state).split();
    std::pair<Bytes, Bytes> sealed{Bytes(20), Bytes(20)};
    REQUIRE(forth.encrypt_with_ad({}, Bytes(4), sealed.first));
    REQUIRE(back.encrypt_with_ad({}, Bytes(4), sealed.second));
    return sealed;
}

/// One whose chaining key is these bytes, and zeros up to 64: a protocol name of that size is taken
/// as it is, and HMAC adds the same zeros to a key.
SymmetricState with_chaining_key(const Bytes& bytes) {
    return SymmetricState({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

TEST_CASE("channel: published HKDF-SHA512 vectors: the chaining key after mixing a key in") {
    int checked = 0;
    const auto files = vectors("wycheproof", "hkdf_sha512");
    for (const auto& file : files) {
        for (const auto& group : file.content["testGroups"]) {
            for (const auto& test : group["tests"]) {
                // The specification's HKDF has no info, and its chaining key is one hash.
                const auto salt = bytes_of(test, "salt");
                if (test["info"] != "" || test["size"] != hash_size || salt.size() > hash_size) {
                    continue;
                }
                CAPTURE(test["tcId"].get<int>());
                auto state = with_chaining_key(salt);
                state.mix_key(bytes_of(test, "ikm"));
                CHECK(sealed_with_keys_of(std::move(state)) ==
                      sealed_with_keys_of(with_chaining_key(bytes_of(test, "okm"))));
                ++checked;
            }
        }
    }
    if (!files.empty()) CHECK(checked >= 9);
}

TEST_CASE("channel: published ChaCha20-Poly1305 vectors with nonces of Noise: sealed and opened") {
    int checked = 0;
    const auto files = vectors("wycheproof", "chacha20_poly1305");
    for (const auto& file : files) {
        for (const auto& group : file.content["testGroups"]) {
            for (const auto& test : group["tests"]) {
                // Section 12.3: four zero bytes, and the number of the message.
                const auto iv = bytes_of(test, "iv");
                if (iv.size() != 12 || !std::ranges::all_of(iv.begin(), iv.begin() + 4, [](auto b) {
                        return b == std::byte{};
                    })) {
                    continue;
                }
                std::uint64_t nonce = 0;
                for (std::size_t i = 12; i-- > 4;) {
                    nonce = nonce << 8 | std::to_integer<std::uint64_t>(iv[i]);
                }
                if (nonce == ~std::uint64_t{0}) continue;  // reserved
                CAPTURE(test["tcId"].get<int>());
                const bool valid = test["result"] != "invalid";
                auto expected = bytes_of(test, "ct");
                const auto tag = bytes_of(test, "tag");
                expected.insert(expected.end(), tag.begin(), tag.end());
                const auto message = bytes_of(test, "msg");
                const auto associated = bytes_of(test, "aad");
                CipherState sender(Secret(bytes_of(test, "key")));
                CipherState receiver(Secret(bytes_of(test, "key")));
                sender.set_nonce(nonce);
                receiver.set_nonce(nonce);
                Bytes sealed(message.size() + tag_size), opened(message.size());
                REQUIRE(sender.encrypt_with_ad(associated, message, sealed));
                CHECK((sealed == expected) == valid);
                const auto done = receiver.decrypt_with_ad(associated, expected, opened);
                REQUIRE(done.has_value() == valid);
                if (valid) CHECK(opened == message);
                ++checked;
            }
        }
    }
    if (!files.empty()) CHECK(checked > 0);
}

TEST_CASE("channel: published X25519 vectors: what a handshake's first key exchange gives") {
    // Message 1 of NK with known keys can be opened by whoever holds the responder's key: the
    // exchange `es` of both sides is then the same, and libsodium's refusal of points of low order
    // is the handshake's.
    static constexpr Token first[] = {Token::e, Token::es};
    static constexpr std::span<const Token> messages[] = {first};
    static constexpr HandshakePattern pattern{
        .name = "NK", .responder_known = true, .messages = messages};
    for (const auto& file : vectors("wycheproof", "x25519_")) {
        for (const auto& group : file.content["testGroups"]) {
            for (const auto& test : group["tests"]) {
                CAPTURE(test["tcId"].get<int>());
                const auto peer = ChannelKey::from_bytes(bytes_of(test, "public"));
                if (!peer) continue;
                HandshakeState initiator(pattern, Role::initiator, {}, nullptr, *peer);
                initiator.set_ephemeral(Secret(bytes_of(test, "private")));
                const auto written = initiator.write_message({});
                const auto shared = bytes_of(test, "shared");
                const bool is_zero = shared == Bytes(32);
                REQUIRE(written.has_value() == !is_zero);
                if (is_zero) {
                    CHECK(written.error() == errc::handshake_failed);
                    continue;
                }
                // What the specification says, from the shared secret of the vector.
                SymmetricState state("Noise_NK_25519_ChaChaPoly_SHA512");
                const auto own = KeyPair::from_private(Secret(bytes_of(test, "private")));
                state.mix_hash({});
                state.mix_hash(peer->bytes);
                state.mix_hash(own.public_key.bytes);
                state.mix_key(shared);
                const auto payload = state.encrypt_and_hash({});
                REQUIRE(payload);
                CHECK(std::ranges::equal(std::span(*written).subspan(key_size), *payload));
            }
        }
    }
}
