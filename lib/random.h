#pragma once

#include <cstdint>
#include <span>

#include "countersign/environment.h"
#include "countersign/ids.h"
#include "countersign/secret.h"

#include "sealing/aead.h"

// Keys and names drawn from the environment's randomness; for the hall alone.
namespace countersign {

inline sealing::Key random_key(Environment& environment) {
    auto bytes = Secret::of_size(sealing::key_size);
    environment.random(bytes.writable());
    return sealing::Key(std::move(bytes));
}

template <class Id>
Id random_id(Environment& environment) {
    Id id;
    environment.random(id.bytes);
    return id;
}

inline Incarnation random_incarnation(Environment& environment) {
    std::uint64_t number = 0;
    environment.random(std::as_writable_bytes(std::span(&number, 1)));
    return Incarnation{number};
}

}  // namespace countersign
