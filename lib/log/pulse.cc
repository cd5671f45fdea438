#include "log/pulse.h"

#include <tuple>

#include "records/codec.h"

namespace countersign::log {

records::SignedStatement sign(const records::Pulse& pulse, const sealing::SigningKey& key) {
    records::SignedStatement statement;
    statement.bytes = records::encode(pulse);
    statement.signature = sealing::sign(sealing::SignatureKind::pulse, statement.bytes, key);
    return statement;
}

Result<records::Pulse> verify_pulse(const records::SignedStatement& statement, const PoolId& pool) {
    auto pulse = records::decode_pulse(statement.bytes);
    if (!pulse) return pulse;
    if (pulse->pool != pool) return Error(errc::wrong_pool, "a pulse of another pool");
    if (!sealing::verify(sealing::SignatureKind::pulse,
                         statement.bytes,
                         statement.signature,
                         pulse->node.bytes)) {
        return Error(errc::bad_signature, "a pulse");
    }
    return pulse;
}

bool is_newer(const records::Pulse& pulse, const records::Pulse& than) noexcept {
    const auto place = [](const records::Pulse& of) {
        return std::tuple(of.root_term, of.epoch, of.seq, of.time);
    };
    return place(pulse) > place(than);
}

}  // namespace countersign::log
