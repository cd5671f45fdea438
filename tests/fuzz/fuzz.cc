#include "fuzz/fuzz.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace countersign::fuzz {
namespace {

std::vector<const Target*>& known() {
    static std::vector<const Target*> all;
    return all;
}

}  // namespace

Target::Target(const char* name, void (*run)(BytesView), std::vector<Bytes> (*seeds)())
    : name(name), run(run), seeds(seeds) {
    known().push_back(this);
}

const std::vector<const Target*>& targets() {
    return known();
}

const Target* find_target(std::string_view name) {
    const auto found = std::ranges::find_if(
        targets(), [&](const Target* each) { return std::string_view(each->name) == name; });
    return found == targets().end() ? nullptr : *found;
}

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

void require_documented(const Error& error, std::initializer_list<errc> documented) {
    if (std::ranges::find(documented, error.code()) != documented.end()) return;
    std::fprintf(stderr, "an error that is not documented: %s\n", error.message().c_str());
    std::abort();
}

void require_link_error(const Error& reason) {
    // The peer's word, whatever it is.
    if (reason.detail().starts_with("the peer said goodbye")) return;
    require_documented(reason,
                       {errc::malformed,
                        errc::too_large,
                        errc::bad_signature,
                        errc::chain_gap,
                        errc::fork,
                        errc::digest_mismatch,
                        errc::wrong_epoch,
                        errc::not_a_member,
                        errc::wrong_pool,
                        errc::clone_suspected,
                        errc::invalid_invitation,
                        errc::limit_reached,
                        errc::overloaded,
                        errc::handshake_failed,
                        errc::unsupported_version,
                        errc::link_closed});
}

BytesView Input::bytes(std::size_t size) {
    const auto taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
}

Bytes joined(std::initializer_list<BytesView> parts) {
    Bytes all;
    for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

Bytes with_choice(unsigned choice, BytesView input) {
    const std::byte first{static_cast<unsigned char>(choice)};
    return joined({{&first, 1}, input});
}

std::vector<Bytes> texts(unsigned choice, std::initializer_list<std::string_view> all) {
    std::vector<Bytes> inputs;
    for (const auto text : all) inputs.push_back(with_choice(choice, view_of(text)));
    return inputs;
}

}  // namespace countersign::fuzz
