#include "channel/session.h"

#include <cassert>
#include <utility>

namespace countersign::channel {

Session::Session(CipherState sending, CipherState receiving, const Hash& handshake_hash)
    : sending_(std::move(sending)),
      receiving_(std::move(receiving)),
      handshake_hash_(handshake_hash) {}

Result<void> Session::write_message(std::span<const std::byte> payload,
                                    std::span<std::byte> message) {
    if (!sending_) return errc::link_closed;
    if (payload.size() > max_payload_size) return errc::too_large;
    auto done = sending_->encrypt_with_ad({}, payload, message);
    if (!done) {
        end();
        return done;
    }
    ++messages_;
    return done;
}

Result<void> Session::read_message(std::span<const std::byte> message,
                                   std::span<std::byte> payload) {
    if (!receiving_) return errc::link_closed;
    if (message.size() > max_message_size) {
        end();
        return Error(errc::malformed, "a message of the channel is longer than 65,535 bytes");
    }
    auto done = receiving_->decrypt_with_ad({}, message, payload);
    if (!done) {
        end();
        return done;
    }
    ++messages_;
    return done;
}

void Session::rekey_sending() {
    assert(sending_);
    sending_->rekey();
}

void Session::rekey_receiving() {
    assert(receiving_);
    receiving_->rekey();
}

void Session::end() noexcept {
    sending_.reset();
    receiving_.reset();
}

}  // namespace countersign::channel
