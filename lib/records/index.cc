#include "records/index.h"

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
    return {sealing::mac128(key_,
                            {std::as_bytes(std::span(name(scope))),
                             separator,
                             std::as_bytes(std::span(normalised))})
                .bytes};
}

}  // namespace countersign::records
