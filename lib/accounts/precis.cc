#include "accounts/precis.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <span>
#include <utility>

#include <utf8proc.h>

#include "accounts/unicode.h"

namespace countersign::accounts {
namespace {

/// An application and three re-applications (RFC 8264 section 7).
constexpr int max_applications = 4;

constexpr CodePoint zero_width_non_joiner = 0x200c;
constexpr CodePoint zero_width_joiner = 0x200d;
constexpr CodePoint middle_dot = 0x00b7;
constexpr CodePoint greek_keraia = 0x0375;
constexpr CodePoint hebrew_geresh = 0x05f3;
constexpr CodePoint hebrew_gershayim = 0x05f4;
constexpr CodePoint katakana_middle_dot = 0x30fb;

struct Profile {
    bool identifier;  ///< IdentifierClass, width mapping, Bidi Rule; otherwise FreeformClass
    bool map_case;
};
constexpr Profile username_case_mapped{.identifier = true, .map_case = true};
constexpr Profile username_case_preserved{.identifier = true, .map_case = false};
constexpr Profile opaque_string{.identifier = false, .map_case = false};

/// Why a text is refused, and for which character if for one.
struct Refusal {
    const char* why;
    CodePoint code_point = -1;
};

// Derived properties (RFC 8264 section 8).

enum class Property { valid, freeform_only, contextual, refused };

struct Classified {
    Property property;
    const char* why = nullptr;  ///< set unless `valid`
};

/// Exceptions (F): section 9.6 of RFC 8264, the list of RFC 5892 section 2.6.
std::optional<Classified> exception(CodePoint code_point) {
    switch (code_point) {
        case 0x00df:
        case 0x03c2:
        case 0x06fd:
        case 0x06fe:
        case 0x0f0b:
        case 0x3007:
            return Classified{Property::valid};
        case middle_dot:
            return Classified{Property::contextual, "a middle dot stands only between two l"};
        case greek_keraia:
            return Classified{Property::contextual, "a keraia stands only before a Greek letter"};
        case hebrew_geresh:
        case hebrew_gershayim:
            return Classified{Property::contextual,
                              "Hebrew punctuation stands only after a Hebrew letter"};
        case katakana_middle_dot:
            return Classified{Property::contextual,
                              "a katakana middle dot stands only with kana or Han characters"};
        case 0x0640:
        case 0x07fa:
        case 0x302e:
        case 0x302f:
        case 0x3031:
        case 0x3032:
        case 0x3033:
        case 0x3034:
        case 0x3035:
        case 0x303b:
            return Classified{Property::refused, "this character is excepted by RFC 5892"};
        default:
            break;
    }
    if (code_point >= 0x0660 && code_point <= 0x0669) {
        return Classified{Property::contextual,
                          "Arabic-Indic digits do not go with extended Arabic-Indic digits"};
    }
    if (code_point >= 0x06f0 && code_point <= 0x06f9) {
        return Classified{Property::contextual,
                          "extended Arabic-Indic digits do not go with Arabic-Indic digits"};
    }
    return std::nullopt;
}

bool is_noncharacter(CodePoint code_point) {
    return (code_point >= 0xfdd0 && code_point <= 0xfdef) || (code_point & 0xfffe) == 0xfffe;
}

bool is_old_hangul_jamo(const utf8proc_property_t& property) {
    return property.boundclass == UTF8PROC_BOUNDCLASS_L ||
           property.boundclass == UTF8PROC_BOUNDCLASS_V ||
           property.boundclass == UTF8PROC_BOUNDCLASS_T;
}

/// LetterDigits, OtherLetterDigits, Spaces, Symbols, Punctuation, and what is left.
Classified classify_by_category(int category) {
    switch (category) {
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LO:
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
            return {Property::valid};
        case UTF8PROC_CATEGORY_LT:
        case UTF8PROC_CATEGORY_NL:
        case UTF8PROC_CATEGORY_NO:
        case UTF8PROC_CATEGORY_ME:
            return {Property::freeform_only, "not a plain letter, digit or mark"};
        case UTF8PROC_CATEGORY_ZS:
            return {Property::freeform_only, "spaces are not allowed"};
        case UTF8PROC_CATEGORY_SM:
        case UTF8PROC_CATEGORY_SC:
        case UTF8PROC_CATEGORY_SK:
        case UTF8PROC_CATEGORY_SO:
            return {Property::freeform_only, "symbols outside ASCII are not allowed"};
        case UTF8PROC_CATEGORY_PC:
        case UTF8PROC_CATEGORY_PD:
        case UTF8PROC_CATEGORY_PS:
        case UTF8PROC_CATEGORY_PE:
        case UTF8PROC_CATEGORY_PI:
        case UTF8PROC_CATEGORY_PF:
        case UTF8PROC_CATEGORY_PO:
            return {Property::freeform_only, "punctuation outside ASCII is not allowed"};
        default:
            return {Property::refused, "not a character for text"};
    }
}

/// The algorithm of RFC 8264 section 8. BackwardCompatible (G) is empty.
Classified classify(CodePoint code_point) {
    if (const auto known = exception(code_point)) return *known;
    const utf8proc_property_t& property = *utf8proc_get_property(code_point);
    if (property.category == UTF8PROC_CATEGORY_CN && !is_noncharacter(code_point)) {
        return {Property::refused, "this version of Unicode does not assign the character"};
    }
    if (code_point >= 0x21 && code_point <= 0x7e) return {Property::valid};
    if (code_point == zero_width_non_joiner) {
        return {Property::contextual,
                "a zero-width non-joiner stands only after a virama or between joining letters"};
    }
    if (code_point == zero_width_joiner) {
        return {Property::contextual, "a zero-width joiner stands only after a virama"};
    }
    if (is_old_hangul_jamo(property)) {
        return {Property::refused, "old Hangul is not allowed; use whole syllables"};
    }
    if (property.ignorable || is_noncharacter(code_point)) {
        return {Property::refused, "invisible characters are not allowed"};
    }
    if (property.category == UTF8PROC_CATEGORY_CC) {
        return {Property::refused, "control characters are not allowed"};
    }
    if (has_compatibility_form(code_point)) {
        return {Property::freeform_only, "a variant form; use the plain characters it stands for"};
    }
    return classify_by_category(property.category);
}

// Contextual rules (RFC 5892 appendix A).

using Text = std::span<const CodePoint>;

bool after_virama(Text text, std::size_t place) {
    return place > 0 && is_virama(text[place - 1]);
}

bool between_joining_letters(Text text, std::size_t place) {
    std::size_t before = place;
    while (before > 0 && is_transparent(text[before - 1])) --before;
    std::size_t after = place + 1;
    while (after < text.size() && is_transparent(text[after])) ++after;
    return before > 0 && joins_with_next(text[before - 1]) && after < text.size() &&
           joins_with_previous(text[after]);
}

bool holds_between(Text text, CodePoint first, CodePoint last) {
    return std::ranges::any_of(text, [=](CodePoint c) { return c >= first && c <= last; });
}

bool allowed_in_context(Text text, std::size_t place) {
    const bool has_next = place + 1 < text.size();
    switch (text[place]) {
        case zero_width_non_joiner:
            return after_virama(text, place) || between_joining_letters(text, place);
        case zero_width_joiner:
            return after_virama(text, place);
        case middle_dot:
            return place > 0 && text[place - 1] == 'l' && has_next && text[place + 1] == 'l';
        case greek_keraia:
            return has_next && is_greek(text[place + 1]);
        case hebrew_geresh:
        case hebrew_gershayim:
            return place > 0 && is_hebrew(text[place - 1]);
        case katakana_middle_dot:
            return std::ranges::any_of(text, is_kana_or_han);
        default:
            // The two sets of Arabic-Indic digits: each forbids the other.
            return text[place] <= 0x0669 ? !holds_between(text, 0x06f0, 0x06f9)
                                         : !holds_between(text, 0x0660, 0x0669);
    }
}

std::optional<Refusal> check_characters(Text text, const Profile& profile) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto [property, why] = classify(text[i]);
        const bool allowed = property == Property::valid ||
                             (property == Property::freeform_only && !profile.identifier) ||
                             (property == Property::contextual && allowed_in_context(text, i));
        if (!allowed) return Refusal{why, text[i]};
    }
    return std::nullopt;
}

// The Bidi Rule (RFC 5893 section 2).

using BidiSet = std::uint32_t;

constexpr BidiSet bidi_set(std::initializer_list<int> classes) {
    BidiSet set = 0;
    for (const int bidi_class : classes) set |= BidiSet{1} << bidi_class;
    return set;
}

bool in(BidiSet set, CodePoint code_point) {
    return (set >> utf8proc_get_property(code_point)->bidi_class & 1) != 0;
}

constexpr BidiSet marks = bidi_set({UTF8PROC_BIDI_CLASS_NSM});
constexpr BidiSet neutrals = bidi_set({UTF8PROC_BIDI_CLASS_EN,
                                       UTF8PROC_BIDI_CLASS_ES,
                                       UTF8PROC_BIDI_CLASS_CS,
                                       UTF8PROC_BIDI_CLASS_ET,
                                       UTF8PROC_BIDI_CLASS_ON,
                                       UTF8PROC_BIDI_CLASS_BN,
                                       UTF8PROC_BIDI_CLASS_NSM});
constexpr BidiSet rtl_letters = bidi_set({UTF8PROC_BIDI_CLASS_R, UTF8PROC_BIDI_CLASS_AL});
constexpr BidiSet european = bidi_set({UTF8PROC_BIDI_CLASS_EN});
constexpr BidiSet arabic = bidi_set({UTF8PROC_BIDI_CLASS_AN});
constexpr BidiSet rtl = rtl_letters | arabic;

/// Whether a text with right-to-left characters follows the rule. It cannot begin with a
/// left-to-right one, because rule 5 then allows none of them.
bool follows_bidi_rule(Text text) {
    if (!in(rtl_letters, text.front())) return false;  // rule 1
    for (const CodePoint code_point : text) {
        if (!in(rtl | neutrals, code_point)) return false;  // rule 2
    }
    std::size_t end = text.size();
    while (in(marks, text[end - 1])) --end;                // the first is a letter
    if (!in(rtl | european, text[end - 1])) return false;  // rule 3
    const auto among = [text](BidiSet set) {
        return std::ranges::any_of(text, [set](CodePoint c) { return in(set, c); });
    };
    return !(among(european) && among(arabic));  // rule 4
}

// The profiles (RFC 8265), in the order of RFC 8264 section 7.

CodePoints map_characters(Text text, const Profile& profile) {
    CodePoints mapped(text.size());
    for (const CodePoint code_point : text) {
        if (profile.identifier) {
            mapped.push_back(map_width(code_point));
        } else {
            const bool space = utf8proc_category(code_point) == UTF8PROC_CATEGORY_ZS;
            mapped.push_back(space ? ' ' : code_point);
        }
    }
    return profile.map_case ? lower_case(mapped) : std::move(mapped);
}

std::optional<Refusal> check(Text text, const Profile& profile) {
    if (text.empty()) return Refusal{"it is empty"};
    const bool has_rtl = std::ranges::any_of(text, [](CodePoint c) { return in(rtl, c); });
    if (profile.identifier && has_rtl && !follows_bidi_rule(text)) {
        return Refusal{"left-to-right and right-to-left characters are mixed (RFC 5893)"};
    }
    return check_characters(text, profile);
}

std::expected<CodePoints, Refusal> enforce(std::string_view utf8, const Profile& profile) {
    auto decoded = CodePoints::decode(utf8);
    if (!decoded) return std::unexpected(Refusal{"it is not UTF-8"});
    CodePoints text = std::move(*decoded);
    for (int application = 0; application < max_applications; ++application) {
        CodePoints next = nfc(map_characters(text, profile));
        if (const auto refusal = check(next, profile)) return std::unexpected(*refusal);
        if (std::ranges::equal(next.view(), text.view())) return next;
        text = std::move(next);
    }
    return std::unexpected(Refusal{"it has no stable form"});
}

std::string describe(const Refusal& refusal) {
    if (refusal.code_point < 0) return refusal.why;
    std::array<char, 16> name;
    std::snprintf(name.data(), name.size(), "U+%04X: ", static_cast<unsigned>(refusal.code_point));
    return std::string(name.data()) + refusal.why;
}

}  // namespace

Result<std::string> normalise_login(std::string_view text, LoginCase login_case) {
    if (text.size() > max_login_input_size) {
        return Error(errc::invalid_login, "it is longer than 255 bytes");
    }
    const auto login = enforce(
        text, login_case == LoginCase::mapped ? username_case_mapped : username_case_preserved);
    if (!login) return Error(errc::invalid_login, describe(login.error()));
    if (utf8_size(*login) > max_login_size) {
        return Error(errc::invalid_login, "it is longer than 255 bytes");
    }
    return to_utf8(*login);
}

Result<Secret> normalise_password(Secret&& password) {
    if (password.size() > max_password_size) {
        return Error(errc::invalid_password, "it is longer than 1,024 bytes");
    }
    const auto text = enforce(password.text(), opaque_string);
    if (!text) return Error(errc::invalid_password, text.error().why);
    if (utf8_size(*text) > max_password_size) {
        return Error(errc::invalid_password, "it is longer than 1,024 bytes in its normal form");
    }
    const bool unchanged =
        std::ranges::equal(CodePoints::decode(password.text())->view(), text->view());
    return unchanged ? std::move(password) : to_secret(*text);
}

Result<Secret> normalise_password(const Secret& password) {
    return normalise_password(password.clone());
}

}  // namespace countersign::accounts
