#include "output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>

namespace tool {
namespace {

void write_line(std::FILE* stream, std::string_view line) {
    static std::mutex whole_lines;  // events come from several threads
    const std::lock_guard guard(whole_lines);
    std::fwrite(line.data(), 1, line.size(), stream);
    std::fputc('\n', stream);
    std::fflush(stream);
}

std::string dump(const Json& object) {
    return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The code point at the beginning of `text` and its length; length 0: no UTF-8.
struct Decoded {
    char32_t point = 0;
    std::size_t length = 0;
};
Decoded decode(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
    char32_t point = first & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) return {};
        point = point << 6U | (byte(i) & 0x3fU);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return {};
    return {point, length};
}

bool is_safe(char32_t point) {
    const bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    const bool turns = point == 0x61c || point == 0x200e || point == 0x200f ||
                       (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    return !control && !turns;
}

/// Codes whose sentence adds nothing to a detail.
bool detail_says_all(cs::errc code) {
    using enum cs::errc;
    return code == invalid_argument || code == not_found || code == not_a_store ||
           code == store_exists || code == cancelled;
}

}  // namespace

Exit exit_of(cs::errc code) noexcept {
    switch (code) {
        case cs::errc::invalid_argument:
        case cs::errc::invalid_cursor:
            return Exit::usage;
        case cs::errc::wrong_code:
        case cs::errc::not_held:
            return Exit::refused;
        default:
            return Exit::failed;
    }
}

void Output::show(const Json& object, std::string_view text) {
    write_line(stdout, json_ ? dump(object) : text);
}

void Output::note(std::string_view text) {
    if (!json_) write_line(stderr, text);
}

void Output::fail(const cs::Error& error) {
    const bool detail_alone = detail_says_all(error.code()) && !error.detail().empty();
    std::string message = detail_alone ? error.detail() : error.message();
    if (const auto remedy = advice(error.code()); !remedy.empty()) message.append("; ") += remedy;
    fail(cs::name(error.code()), message);
}

void Output::fail(std::string_view name, std::string_view message) {
    std::fflush(stdout);
    if (json_) {
        write_line(stderr, dump({{"error", name}, {"message", message}}));
    } else {
        write_line(stderr, "countersign: " + printable(message));
    }
}

cs::Result<void> Output::flush() {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
    return cs::Error(cs::errc::io_error,
                     std::string("standard output could not be written: ") + std::strerror(errno));
}

std::string_view advice(cs::errc code) noexcept {
    using enum cs::errc;
    switch (code) {
        case password_blocked:
        case invalid_password:
            return "choose another password";
        case invalid_invitation:
            return "copy it whole, or make a new one with 'countersign invite'";
        case invitation_expired:
        case invitation_spent:
            return "make a new one with 'countersign invite'";
        case wrong_code:
            return "check the clock of the device, and type its newest code";
        case limit_reached:
            return "remove what is not used any more";
        case overloaded:
        case timed_out:
        case busy:
        case conflict:
            return "try again";
        case primary_unreachable:
            return "check the line to the primary, and try again";
        case clock_behind:
            return "set the machine's clock right";
        case needs_confirmation:
            return "'countersign nodes confirm' does that";
        case key_unavailable:
            return "name the key's file with --key-file, or type it with --passphrase";
        case wrong_key:
            return "give the key that belongs to this directory, with --key-file or --passphrase";
        case newer_format:
        case unsupported_version:
            return "install a newer release of countersign";
        case disk_full:
            return "make room and try again; nothing was lost";
        case read_only:
            return "check owner and permissions, and run as the user that owns the directory";
        case corrupt:
        case digest_mismatch:
            return "see 'countersign log verify'; restore this node from a backup, or join it anew";
        case outcome_unknown:
            return "look whether it was done before you do it again";
        case address_in_use:
            return "end that program, or choose another address with --listen";
        case name_not_resolved:
            return "check the name's spelling and this machine's DNS";
        case unreachable:
            return "check that 'countersign serve' runs there and that its port is open";
        case clone_suspected:
            return "find the copied directory and take it out of service";
        default:
            return {};
    }
}

std::string printable(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const auto [point, length] = decode(text);
        char escape[16] = "";
        if (length == 0) {
            std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(text[0]));
        } else if (!is_safe(point)) {
            std::snprintf(escape, sizeof escape, "\\u{%x}", static_cast<unsigned>(point));
        }
        const std::size_t used = length == 0 ? 1 : length;
        if (escape[0] != 0) {
            result += escape;
        } else {
            result += text.substr(0, used);
        }
        text.remove_prefix(used);
    }
    return result;
}

std::string time_text(cs::UnixTime time) {
    const auto since = time.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const std::time_t whole = seconds.count();
    std::tm parts{};
    gmtime_r(&whole, &parts);
    char day[40];
    std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
    char text[64];
    std::snprintf(text, sizeof text, "%s.%03dZ", day, static_cast<int>((since - seconds).count()));
    return text;
}

std::string span_text(cs::milliseconds span) {
    const auto all = span.count();
    char text[64];
    if (all < 60'000) {
        std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(all) / 1000);
    } else if (all < 3'600'000) {
        std::snprintf(text,
                      sizeof text,
                      "%lld min %lld s",
                      static_cast<long long>(all / 60'000),
                      static_cast<long long>(all / 1000 % 60));
    } else {
        std::snprintf(text,
                      sizeof text,
                      "%lld h %lld min",
                      static_cast<long long>(all / 3'600'000),
                      static_cast<long long>(all / 60'000 % 60));
    }
    return text;
}

Json span_json(std::optional<cs::milliseconds> span) {
    return span ? Json(span->count()) : Json(nullptr);
}

}  // namespace tool
