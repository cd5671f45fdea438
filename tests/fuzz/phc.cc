// Password hashes that come from elsewhere (argon2.h).
#include <algorithm>

#include "fuzz/fuzz.h"
#include "sealing/argon2.h"
#include "sealing/base64url.h"

namespace countersign::fuzz {
namespace {

std::string base64(BytesView bytes) {
    auto text = sealing::to_base64url(bytes);
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    return text;
}

void run(BytesView input) {
    const auto phc = text_of(input);
    const auto hash = sealing::parse_password_hash(phc);
    if (!hash) {
        require_documented(hash.error(), {errc::invalid_hash});
        return require(sealing::verify_password(phc, Secret("guess")).error() == errc::invalid_hash,
                       "what cannot be parsed is not computed");
    }
    require(phc.size() <= sealing::max_phc_size, "a hash string within its limit");
    require(hash->cost.memory_kib <= sealing::max_argon2_memory_kib && hash->cost.passes >= 1 &&
                hash->cost.passes <= sealing::max_argon2_passes && hash->lanes >= 1 &&
                hash->lanes <= sealing::max_argon2_lanes &&
                hash->cost.memory_kib >= 8 * hash->lanes,
            "a cost within its limits");
    require(hash->salt.size() >= sealing::min_argon2_salt_size &&
                hash->hash.size() >= sealing::min_argon2_hash_size,
            "salt and hash are long enough");
    const auto written = "$argon2id$v=19$m=" + std::to_string(hash->cost.memory_kib) +
                         ",t=" + std::to_string(hash->cost.passes) +
                         ",p=" + std::to_string(hash->lanes) + "$" + base64(hash->salt) + "$" +
                         base64(hash->hash);
    require(written == phc, "a hash has one spelling");
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> all;
    for (const std::string_view text :
         {"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
          "$argon2id$v=19$m=262144,t=10,p=8$c2FsdHNhbHRzYWx0c2FsdA$"
          "aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
          "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
          "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"}) {
        all.emplace_back(view_of(text).begin(), view_of(text).end());
    }
    return all;
}

const Target target("phc", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
