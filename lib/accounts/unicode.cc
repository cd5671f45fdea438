#include "accounts/unicode.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <utf8proc.h>

#include "accounts/unicode_tables.h"

namespace countersign::accounts {
namespace {

static_assert(std::is_same_v<CodePoint, utf8proc_int32_t>);

/// No code point's decomposition is longer than 4 (canonical) or 18 (compatibility).
constexpr std::size_t longest_canonical = 4;
constexpr std::size_t longest_compatibility = 18;
/// No code point folds to more than three.
constexpr std::size_t longest_fold = 3;

constexpr CodePoint capital_i_with_dot = 0x0130;
constexpr CodePoint combining_dot_above = 0x0307;
constexpr CodePoint capital_sigma = 0x03a3;
constexpr CodePoint small_sigma = 0x03c3;
constexpr CodePoint final_sigma = 0x03c2;

template <std::size_t N>
bool within(CodePoint code_point, const tables::Range (&ranges)[N]) {
    const auto wanted = static_cast<std::uint32_t>(code_point);
    const auto* range = std::ranges::lower_bound(ranges, wanted, {}, &tables::Range::last);
    return range != std::end(ranges) && range->first <= wanted;
}

utf8proc_category_t category(CodePoint code_point) {
    return utf8proc_category(code_point);
}

int combining_class(CodePoint code_point) {
    return utf8proc_get_property(code_point)->combining_class;
}

/// Appends what `code_point` decomposes to.
void decompose(CodePoints& out, CodePoint code_point, int options) {
    int boundary = UTF8PROC_BOUNDCLASS_START;
    const auto room = out.room();
    const auto count = utf8proc_decompose_char(code_point,
                                               room.data(),
                                               static_cast<utf8proc_ssize_t>(room.size()),
                                               static_cast<utf8proc_option_t>(options),
                                               &boundary);
    assert(count >= 0 && static_cast<std::size_t>(count) <= room.size());
    out.grow(static_cast<std::size_t>(count));
}

/// The Canonical Ordering Algorithm (Unicode Standard, section 3.11).
void order_marks(std::span<CodePoint> text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        const int mark = combining_class(text[i]);
        if (mark == 0) continue;
        for (std::size_t j = i; j > 0 && combining_class(text[j - 1]) > mark; --j) {
            std::swap(text[j - 1], text[j]);
        }
    }
}

/// Cased, as far as it matters here: the other cased characters (circled letters, Roman numerals)
/// have a compatibility form and no login holds them.
bool is_cased(CodePoint code_point) {
    switch (category(code_point)) {
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LT:
            return true;
        default:
            return false;
    }
}

/// Case_Ignorable of DerivedCoreProperties.txt.
bool is_case_ignorable(CodePoint code_point) {
    constexpr CodePoint within_words[] = {0x27,
                                          0x2e,
                                          0x3a,
                                          0xb7,
                                          0x387,
                                          0x55f,
                                          0x5f4,
                                          0x2018,
                                          0x2019,
                                          0x2024,
                                          0x2027,
                                          0xfe13,
                                          0xfe52,
                                          0xfe55,
                                          0xff07,
                                          0xff0e,
                                          0xff1a};
    switch (category(code_point)) {
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_ME:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_SK:
            return true;
        default:
            return std::ranges::binary_search(within_words, code_point);
    }
}

/// Final_Sigma of the Unicode Standard, table 3-17: a cased letter before, none after.
bool ends_a_word(std::span<const CodePoint> text, std::size_t place) {
    std::size_t before = place;
    while (before > 0 && is_case_ignorable(text[before - 1])) --before;
    if (before == 0 || !is_cased(text[before - 1])) return false;
    std::size_t after = place + 1;
    while (after < text.size() && is_case_ignorable(text[after])) ++after;
    return after == text.size() || !is_cased(text[after]);
}

void encode(std::span<const CodePoint> text, std::span<std::byte> out) {
    auto* to = reinterpret_cast<utf8proc_uint8_t*>(out.data());
    for (const CodePoint code_point : text) to += utf8proc_encode_char(code_point, to);
}

}  // namespace

CodePoints::CodePoints(std::size_t capacity)
    : bytes_(sealing::PlainBytes::of_size(capacity * sizeof(CodePoint))) {}

std::optional<CodePoints> CodePoints::decode(std::string_view utf8) {
    CodePoints text(utf8.size());
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(utf8.data());
    for (std::size_t at = 0; at < utf8.size();) {
        CodePoint code_point = -1;
        const auto length = utf8proc_iterate(
            bytes + at, static_cast<utf8proc_ssize_t>(utf8.size() - at), &code_point);
        if (length <= 0) return std::nullopt;
        text.push_back(code_point);
        at += static_cast<std::size_t>(length);
    }
    return text;
}

void CodePoints::push_back(CodePoint code_point) {
    room().front() = code_point;
    grow(1);
}

std::span<CodePoint> CodePoints::room() noexcept {
    return {data() + size_, bytes_.size() / sizeof(CodePoint) - size_};
}

void CodePoints::grow(std::size_t count) {
    assert(count <= room().size());
    size_ += count;
}

void CodePoints::truncate(std::size_t count) {
    assert(count <= size_);
    size_ = count;
}

CodePoint* CodePoints::data() noexcept {
    return reinterpret_cast<CodePoint*>(bytes_.writable().data());
}

const CodePoint* CodePoints::data() const noexcept {
    return reinterpret_cast<const CodePoint*>(bytes_.bytes().data());
}

std::size_t utf8_size(std::span<const CodePoint> text) {
    std::size_t size = 0;
    for (const CodePoint code_point : text) {
        size += code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    }
    return size;
}

std::string to_utf8(std::span<const CodePoint> text) {
    std::string utf8(utf8_size(text), '\0');
    encode(text, std::as_writable_bytes(std::span(utf8)));
    return utf8;
}

Secret to_secret(std::span<const CodePoint> text) {
    Secret utf8 = Secret::of_size(utf8_size(text));
    encode(text, utf8.writable());
    return utf8;
}

CodePoints nfc(std::span<const CodePoint> text) {
    CodePoints out(text.size() * longest_canonical);
    for (const CodePoint code_point : text) decompose(out, code_point, UTF8PROC_DECOMPOSE);
    order_marks(out.writable());
    const auto composed = utf8proc_normalize_utf32(
        out.writable().data(),
        static_cast<utf8proc_ssize_t>(out.size()),
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    assert(composed >= 0);
    out.truncate(static_cast<std::size_t>(composed));
    return out;
}

CodePoints lower_case(std::span<const CodePoint> text) {
    CodePoints out(text.size() * 2);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == capital_i_with_dot) {
            out.push_back('i');
            out.push_back(combining_dot_above);
        } else if (text[i] == capital_sigma) {
            out.push_back(ends_a_word(text, i) ? final_sigma : small_sigma);
        } else {
            out.push_back(utf8proc_tolower(text[i]));
        }
    }
    return out;
}

CodePoints fold_case(std::span<const CodePoint> text) {
    CodePoints out(text.size() * longest_fold);
    for (const CodePoint code_point : text) decompose(out, code_point, UTF8PROC_CASEFOLD);
    return out;
}

CodePoint map_width(CodePoint code_point) {
    constexpr CodePoint first_katakana = 0xff65;
    if (code_point >= 0xff01 && code_point <= 0xff5e) return code_point - 0xff01 + '!';
    if (code_point >= first_katakana &&
        code_point < first_katakana + std::ssize(tables::wide_katakana)) {
        return tables::wide_katakana[code_point - first_katakana];
    }
    return code_point;
}

bool has_compatibility_form(CodePoint code_point) {
    CodePoints canonical(longest_canonical);
    decompose(canonical, code_point, UTF8PROC_DECOMPOSE);
    CodePoints compatible(longest_compatibility);
    decompose(compatible, code_point, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
    return !std::ranges::equal(canonical.view(), compatible.view());
}

bool is_greek(CodePoint code_point) {
    return within(code_point, tables::greek);
}

bool is_hebrew(CodePoint code_point) {
    return within(code_point, tables::hebrew);
}

bool is_kana_or_han(CodePoint code_point) {
    return within(code_point, tables::kana_or_han);
}

bool is_virama(CodePoint code_point) {
    return combining_class(code_point) == 9;
}

bool joins_with_next(CodePoint code_point) {
    return within(code_point, tables::joining_before);
}

bool joins_with_previous(CodePoint code_point) {
    return within(code_point, tables::joining_after);
}

// Derived as in ArabicShaping.txt: marks and format characters, but for those that it lists
// otherwise, and one modifier letter.
bool is_transparent(CodePoint code_point) {
    switch (category(code_point)) {
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_ME:
            return true;
        case UTF8PROC_CATEGORY_CF:
            return !within(code_point, tables::format_not_transparent);
        default:
            return code_point == 0x1e94b;
    }
}

std::string_view unicode_version() {
    return utf8proc_unicode_version();
}

}  // namespace countersign::accounts
