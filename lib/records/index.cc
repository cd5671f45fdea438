#include "records/index.h"

#include <algorithm>

#include "countersign/mutants.h"

#include "sealing/hash.h"

namespace countersign::records {
namespace {

std::string_view name(Scope scope) {
    switch (scope) {
        case Scope::login:
            return "login";
        case Scope::email:
            return "email";
    }
    return {};
}

}  // namespace

Handle Index::handle(Scope scope, std::string_view normalised) const {
    constexpr std::byte separator[] = {std::byte{0}};
    if (is_planted(Mutant::login_in_clear)) {
        Handle handle{};
        const auto text = std::as_bytes(std::span(normalised.substr(0, Handle::size)));
        std::ranges::copy(text, handle.bytes.begin());
        return handle;
    }
    return {sealing::mac128(key_,
                            {std::as_bytes(std::span(name(scope))),
                             separator,
                             std::as_bytes(std::span(normalised))})
                .bytes};
}

}  // namespace countersign::records
