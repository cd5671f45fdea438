#include "channel/handshake_state.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include <sodium.h>

namespace countersign::channel {
namespace {

static_assert(key_size == crypto_scalarmult_BYTES && key_size == crypto_scalarmult_SCALARBYTES);

constexpr Token ikpsk2_first[] = {Token::e, Token::es, Token::s, Token::ss};
constexpr Token ikpsk2_second[] = {Token::e, Token::ee, Token::se, Token::psk};
constexpr std::span<const Token> ikpsk2_messages[] = {ikpsk2_first, ikpsk2_second};

unsigned char* output(std::span<std::byte> bytes) noexcept {
    return reinterpret_cast<unsigned char*>(bytes.data());
}

const unsigned char* input(std::span<const std::byte> bytes) noexcept {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

bool contains_psk(const HandshakePattern& pattern) {
    return std::ranges::any_of(pattern.messages, [](std::span<const Token> message) {
        return std::ranges::find(message, Token::psk) != message.end();
    });
}

std::string protocol_name(const HandshakePattern& pattern) {
    return "Noise_" + std::string(pattern.name) + "_25519_ChaChaPoly_SHA512";
}

void append(std::vector<std::byte>& message, std::span<const std::byte> bytes) {
    message.insert(message.end(), bytes.begin(), bytes.end());
}

std::span<const std::byte> take(std::span<const std::byte>& message, std::size_t size) {
    const auto front = message.first(size);
    message = message.subspan(size);
    return front;
}

}  // namespace

constinit const HandshakePattern ikpsk2 = {
    .name = "IKpsk2",
    .initiator_known = false,
    .responder_known = true,
    .messages = ikpsk2_messages,
};

KeyPair KeyPair::from_private(Secret random_bytes) {
    assert(random_bytes.size() == key_size);
    KeyPair pair{.private_key = std::move(random_bytes), .public_key = {}};
    crypto_scalarmult_base(output(pair.public_key.bytes), input(pair.private_key.bytes()));
    return pair;
}

HandshakeState::HandshakeState(const HandshakePattern& pattern,
                               Role role,
                               std::span<const std::byte> prologue,
                               std::shared_ptr<const KeyPair> static_key,
                               const std::optional<ChannelKey>& remote_static)
    : pattern_(&pattern),
      role_(role),
      has_psk_(contains_psk(pattern)),
      static_key_(std::move(static_key)),
      remote_static_(remote_static) {
    symmetric_.emplace(protocol_name(pattern));
    symmetric_->mix_hash(prologue);
    for (const Role owner : {Role::initiator, Role::responder}) {
        const bool known =
            owner == Role::initiator ? pattern.initiator_known : pattern.responder_known;
        if (!known) continue;
        assert(owner == role ? static_key_ != nullptr : remote_static_.has_value());
        symmetric_->mix_hash(owner == role ? static_key_->public_key.bytes : remote_static_->bytes);
    }
}

void HandshakeState::set_ephemeral(const Secret& random_bytes) {
    assert(!ephemeral_);
    ephemeral_ = KeyPair::from_private(random_bytes.clone());
}

void HandshakeState::set_psk(const Secret& psk) {
    assert(psk.size() == key_size);
    psks_.push_back(psk.clone());
}

bool HandshakeState::complete() const noexcept {
    return symmetric_ && next_message_ == pattern_->messages.size();
}

bool HandshakeState::my_turn() const noexcept {
    return symmetric_ && !complete() && (next_message_ % 2 == 0) == (role_ == Role::initiator);
}

/// How much longer the next message is than its payload.
std::size_t HandshakeState::overhead() const {
    std::size_t size = 0;
    bool keyed = symmetric_->has_key();
    for (const Token token : tokens()) {
        if (token == Token::e) {
            size += key_size;
            keyed = keyed || has_psk_;
        } else if (token == Token::s) {
            size += key_size + (keyed ? tag_size : 0);
        } else {
            keyed = true;
        }
    }
    return size + (keyed ? tag_size : 0);
}

/// Section 9.2: where a psk is used, ephemeral keys are mixed into the key as well.
void HandshakeState::mix_ephemeral(const ChannelKey& key) {
    symmetric_->mix_hash(key.bytes);
    if (has_psk_) symmetric_->mix_key(key.bytes);
}

Result<void> HandshakeState::mix_dh(Token token) {
    const bool initiator = role_ == Role::initiator;
    // The first letter names the initiator's key, the second the responder's.
    const bool mine_is_static =
        token == Token::ss || (initiator ? token == Token::se : token == Token::es);
    const bool theirs_is_static =
        token == Token::ss || (initiator ? token == Token::es : token == Token::se);
    const auto& theirs = theirs_is_static ? remote_static_ : remote_ephemeral_;
    const KeyPair* mine = mine_is_static ? static_key_.get() : ephemeral_ ? &*ephemeral_ : nullptr;
    assert(mine != nullptr && theirs);

    Secret shared = Secret::of_size(key_size);
    // libsodium refuses an all-zero result, which points of low order give (RFC 7748 section 6.1).
    if (crypto_scalarmult(output(shared.writable()),
                          input(mine->private_key.bytes()),
                          input(theirs->bytes)) != 0) {
        return errc::handshake_failed;
    }
    symmetric_->mix_key(shared.bytes());
    return {};
}

void HandshakeState::mix_psk() {
    assert(next_psk_ < psks_.size() && "set_psk comes before the message that needs it");
    const Secret psk = std::move(psks_[next_psk_++]);
    symmetric_->mix_key_and_hash(psk.bytes());
}

void HandshakeState::wipe() noexcept {
    symmetric_.reset();
    static_key_.reset();
    ephemeral_.reset();
    remote_static_.reset();
    remote_ephemeral_.reset();
    psks_.clear();
}

/// The one error of all failures: a peer learns nothing of what was wrong.
Error HandshakeState::fail() {
    wipe();
    return Error(errc::handshake_failed, "the channel could not be agreed; check keys and pool");
}

Result<void> HandshakeState::write_tokens(std::vector<std::byte>& message) {
    for (const Token token : tokens()) {
        if (token == Token::e) {
            assert(ephemeral_ && "set_ephemeral comes before the message that needs it");
            append(message, ephemeral_->public_key.bytes);
            mix_ephemeral(ephemeral_->public_key);
        } else if (token == Token::s) {
            assert(static_key_);
            const auto sealed = symmetric_->encrypt_and_hash(static_key_->public_key.bytes);
            if (!sealed) return sealed.error();
            append(message, *sealed);
        } else if (token == Token::psk) {
            mix_psk();
        } else if (auto mixed = mix_dh(token); !mixed) {
            return mixed;
        }
    }
    return {};
}

Result<std::vector<std::byte>> HandshakeState::write_message(std::span<const std::byte> payload) {
    if (!symmetric_) return errc::handshake_failed;
    assert(my_turn());
    if (payload.size() > max_message_size - overhead()) return errc::too_large;
    std::vector<std::byte> message;
    message.reserve(payload.size() + overhead());
    if (!write_tokens(message)) return fail();
    const auto sealed = symmetric_->encrypt_and_hash(payload);
    if (!sealed) return fail();
    append(message, *sealed);
    ++next_message_;
    return message;
}

Result<void> HandshakeState::read_tokens(std::span<const std::byte>& message) {
    for (const Token token : tokens()) {
        if (token == Token::e) {
            remote_ephemeral_ = ChannelKey::from_bytes(take(message, key_size));
            mix_ephemeral(*remote_ephemeral_);
        } else if (token == Token::s) {
            const auto sealed = take(message, key_size + symmetric_->overhead());
            const auto opened = symmetric_->decrypt_and_hash(sealed);
            if (!opened) return opened.error();
            remote_static_ = ChannelKey::from_bytes(*opened);
        } else if (token == Token::psk) {
            mix_psk();
        } else if (auto mixed = mix_dh(token); !mixed) {
            return mixed;
        }
    }
    return {};
}

Result<std::vector<std::byte>> HandshakeState::read_message(std::span<const std::byte> message) {
    if (!symmetric_) return errc::handshake_failed;
    assert(!my_turn() && !complete());
    if (message.size() > max_message_size || message.size() < overhead()) return fail();
    if (!read_tokens(message)) return fail();
    auto payload = symmetric_->decrypt_and_hash(message);
    if (!payload) return fail();
    ++next_message_;
    return payload;
}

Session HandshakeState::split() && {
    assert(complete());
    const Hash hash = symmetric_->handshake_hash();
    auto [from_initiator, from_responder] = std::move(*symmetric_).split();
    wipe();
    if (role_ == Role::initiator) {
        return Session(std::move(from_initiator), std::move(from_responder), hash);
    }
    return Session(std::move(from_responder), std::move(from_initiator), hash);
}

}  // namespace countersign::channel
