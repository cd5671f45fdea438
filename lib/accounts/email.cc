#include "accounts/email.h"

#include <algorithm>
#include <utility>

#include "accounts/precis.h"

namespace countersign::accounts {
namespace {

static_assert(max_email_size <= max_login_size);  // parts go through normalise_login

Error refuse(std::string why) {
    return Error(errc::invalid_email, std::move(why));
}

bool is_ascii(char c) {
    return static_cast<unsigned char>(c) < 0x80;
}

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// atext of RFC 5322 section 3.2.3, the dot of a dot-atom, and all that RFC 6531 adds.
bool stands_in_local_part(char c) {
    return !is_ascii(c) || is_letter_or_digit(c) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~.").contains(c);
}

bool stands_in_label(char c) {
    return !is_ascii(c) || is_letter_or_digit(c) || c == '-';
}

Result<std::string> normalise_local(std::string_view text, LoginCase letters) {
    if (text.empty()) return refuse("nothing stands before the @");
    if (text.starts_with('"')) return refuse("quoted local parts are not supported");
    auto local = normalise_login(text, letters);
    if (!local) return refuse(local.error().detail());
    if (!std::ranges::all_of(*local, stands_in_local_part)) {
        return refuse("a character before the @ does not belong in an address");
    }
    if (local->starts_with('.') || local->ends_with('.') || local->contains("..")) {
        return refuse("before the @ a dot stands at an end or beside another");
    }
    if (local->size() > max_email_local_size) {
        return refuse("the part before the @ is longer than 64 bytes");
    }
    return local;
}

Result<std::string> normalise_label(std::string_view text) {
    if (text.empty()) return refuse("the domain is empty or has an empty label");
    auto label = normalise_login(text);
    if (!label) return refuse(label.error().detail());
    if (!std::ranges::all_of(*label, stands_in_label)) {
        return refuse("a character of the domain does not belong in one");
    }
    if (label->starts_with('-') || label->ends_with('-')) {
        return refuse("a label of the domain begins or ends with a hyphen");
    }
    if (label->size() > max_domain_label_size) {
        return refuse("a label of the domain is longer than 63 bytes");
    }
    return label;
}

Result<std::string> normalise_domain(std::string_view text) {
    if (text.starts_with('[')) return refuse("the domain is an address literal; use a name");
    std::string domain;
    for (;;) {
        const std::string_view part = text.substr(0, text.find('.'));
        const auto label = normalise_label(part);
        if (!label) return label.error();
        domain += *label;
        if (part.size() == text.size()) return domain;
        text.remove_prefix(part.size() + 1);
        domain += '.';
    }
}

}  // namespace

Result<Email> normalise_email(std::string_view text) {
    if (text.size() > max_login_input_size) return refuse("it is longer than 254 bytes");
    const std::size_t at = text.rfind('@');
    if (at == std::string_view::npos) return refuse("it has no @");
    const auto local = normalise_local(text.substr(0, at), LoginCase::preserved);
    if (!local) return local.error();
    const auto folded = normalise_local(text.substr(0, at), LoginCase::mapped);
    if (!folded) return folded.error();
    const auto domain = normalise_domain(text.substr(at + 1));
    if (!domain) return domain.error();
    Email email{.address = *local + "@" + *domain, .key = *folded + "@" + *domain};
    if (std::max(email.address.size(), email.key.size()) > max_email_size) {
        return refuse("it is longer than 254 bytes");
    }
    return email;
}

}  // namespace countersign::accounts
