#include "shown_links.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstdint>

namespace countersign {
namespace {

constexpr std::string_view heading = "countersign links 1\n";
constexpr unsigned last_state = static_cast<unsigned>(LinkStatus::State::idle);

/// Takes a decimal number and the character that must follow it. No value for another form of the
/// number than the one that is written.
template <std::unsigned_integral Number>
std::optional<Number> take_number(std::string_view& text, char end) {
    Number number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    const auto digits = static_cast<std::size_t>(rest - text.data());
    if (digits > 1 && text.front() == '0') return std::nullopt;
    if (digits == text.size() || text[digits] != end) return std::nullopt;
    text.remove_prefix(digits + 1);
    return number;
}

std::optional<ShownLink> take_link(std::string_view& text) {
    constexpr std::size_t id_digits = 2 * NodeId::size;
    if (text.size() <= id_digits || text[id_digits] != ' ') return std::nullopt;
    const auto hex = text.substr(0, id_digits);
    const auto bytes = from_hex(hex);
    if (!bytes || to_hex(*bytes) != hex) return std::nullopt;
    text.remove_prefix(id_digits + 1);
    const auto state = take_number<unsigned>(text, ' ');
    if (!state || *state > last_state) return std::nullopt;
    const auto acked = take_number<std::uint64_t>(text, '\n');
    if (!acked) return std::nullopt;
    return ShownLink{.node = *NodeId::from_bytes(*bytes),
                     .state = static_cast<LinkStatus::State>(*state),
                     .acked = LogSeq{*acked}};
}

}  // namespace

std::string encode_links(std::vector<ShownLink> links) {
    std::ranges::sort(links, {}, &ShownLink::node);
    std::string text(heading);
    for (const auto& link : links) {
        text += to_hex(link.node.bytes) + ' ' + std::to_string(static_cast<unsigned>(link.state)) +
                ' ' + std::to_string(value(link.acked)) + '\n';
    }
    return text;
}

std::optional<std::vector<ShownLink>> decode_links(std::string_view text) {
    if (text.size() > shown_links_limit || !text.starts_with(heading)) return std::nullopt;
    text.remove_prefix(heading.size());
    std::vector<ShownLink> links;
    while (!text.empty()) {
        const auto link = take_link(text);
        if (!link || (!links.empty() && link->node <= links.back().node)) return std::nullopt;
        links.push_back(*link);
    }
    return links;
}

}  // namespace countersign
