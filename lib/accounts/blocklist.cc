#include "accounts/blocklist.h"

#include <algorithm>
#include <cassert>
#include <ranges>
#include <string>

#include "accounts/frequent_passwords.h"
#include "accounts/precis.h"
#include "accounts/unicode.h"

namespace countersign::accounts {
namespace {

constexpr std::string_view comment = "#!comment:";

bool is_frequent(std::string_view folded) {
    const auto places = std::views::iota(std::size_t{0}, frequent_password_count());
    return std::ranges::binary_search(
        places, folded, {}, [](auto place) { return frequent_password(place); });
}

/// What most lines hold, for which normalising and folding come to this.
bool is_printable_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

std::string_view next_line(std::string_view& rest) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

}  // namespace

Secret fold(std::string_view utf8) {
    const auto text = CodePoints::decode(utf8);
    assert(text);
    return to_secret(nfc(fold_case(*text)));
}

Result<Blocklist> Blocklist::load(std::string_view text) {
    if (text.size() > max_blocklist_size) {
        return Error(errc::too_large, "the list of passwords is larger than 64 MiB");
    }
    Blocklist list;
    list.text_.reserve(text.size());
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::string_view line = next_line(text);
        if (line.empty() || line.starts_with(comment)) continue;
        const auto bad_line = [number](std::string_view why) {
            return Error(errc::invalid_argument,
                         "line " + std::to_string(number) + " is no password: " + std::string(why));
        };
        if (line.size() > max_password_size) return bad_line("it is longer than 1,024 bytes");
        if (is_printable_ascii(line)) {
            list.add(line);
            std::ranges::transform(
                list.text_.end() - std::ssize(line),
                list.text_.end(),
                list.text_.end() - std::ssize(line),
                [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
            continue;
        }
        const auto password = normalise_password(Secret(line));
        if (!password) return bad_line(password.error().detail());
        list.add(fold(password->text()).text());
    }
    list.sort();
    return list;
}

void Blocklist::add(std::string_view folded) {
    entries_.push_back(
        {static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(folded.size())});
    text_.insert(text_.end(), folded.begin(), folded.end());
}

void Blocklist::sort() {
    const auto text = [this](Entry entry) { return text_of(entry); };
    std::ranges::sort(entries_, {}, text);
    const auto repeated = std::ranges::unique(entries_, {}, text);
    entries_.erase(repeated.begin(), repeated.end());
    entries_.shrink_to_fit();
}

bool Blocklist::contains(const Secret& password) const {
    const Secret folded = fold(password.text());
    return is_frequent(folded.text()) ||
           std::ranges::binary_search(
               entries_, folded.text(), {}, [this](Entry entry) { return text_of(entry); });
}

}  // namespace countersign::accounts
