#include "terminal.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "session.h"

namespace tool {
namespace {

constexpr std::size_t longest_line = 64 * 1024;
constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
volatile std::sig_atomic_t caught = 0;

/// Turns the echo off, and on again whatever signal comes meanwhile.
class Silence {
  public:
    Silence() {
        caught = 0;
        struct sigaction action{};
        action.sa_handler = [](int signal) { caught = signal; };
        for (std::size_t i = 0; i < signals.size(); ++i) {
            sigaction(signals[i], &action, &before_[i]);
        }
        active_ = tcgetattr(STDIN_FILENO, &settings_) == 0;
        if (!active_) return;
        termios quiet = settings_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ~Silence() {
        if (active_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings_);
        std::fputc('\n', stderr);
        for (std::size_t i = 0; i < signals.size(); ++i) {
            sigaction(signals[i], &before_[i], nullptr);
        }
        if (caught != 0) std::raise(caught);
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;

  private:
    termios settings_{};
    bool active_ = false;
    std::array<struct sigaction, signals.size()> before_{};
};

/// Bytes up to the end of the line, or why there are none.
enum class LineEnd { whole, end, interrupted, too_long };
LineEnd read_line(cs::Secret& buffer, std::size_t& length) {
    length = 0;
    for (;;) {
        char byte = 0;
        const auto got = ::read(STDIN_FILENO, &byte, 1);
        if (got < 0 && errno == EINTR && caught == 0) continue;
        if (got < 0) return errno == EINTR ? LineEnd::interrupted : LineEnd::end;
        if (got == 0) return length == 0 ? LineEnd::end : LineEnd::whole;
        if (byte == '\n') return LineEnd::whole;
        if (length == buffer.size()) return LineEnd::too_long;
        buffer.writable()[length++] = static_cast<std::byte>(byte);
    }
}

cs::Result<cs::Secret> read_secret(std::string_view what) {
    auto buffer = cs::Secret::of_size(longest_line);
    std::size_t length = 0;
    switch (read_line(buffer, length)) {
        case LineEnd::whole:
            break;
        case LineEnd::interrupted:
            return cs::Error(cs::errc::cancelled, "nothing was changed");
        case LineEnd::too_long:
            return cs::Error(cs::errc::invalid_argument,
                             "the " + std::string(what) + " is longer than 64 KiB");
        case LineEnd::end:
            return cs::Error(cs::errc::invalid_argument,
                             "standard input ended before the " + std::string(what) +
                                 "; it is read as one line");
    }
    if (length != 0 && buffer.text()[length - 1] == '\r') --length;
    return cs::Secret(buffer.text().substr(0, length));
}

cs::Result<void> need_terminal(std::string_view instead) {
    if (is_terminal(STDIN_FILENO)) return {};
    return cs::Error(cs::errc::invalid_argument,
                     "there is no terminal to ask at; use " + std::string(instead));
}

}  // namespace

bool is_terminal(int file) {
    return ::isatty(file) == 1;
}

cs::Result<cs::Secret> Input::line(std::string_view what) {
    return read_secret(what);
}

cs::Result<cs::Secret> Input::hidden(const std::string& prompt, std::string_view instead) {
    if (auto there = need_terminal(instead); !there) return there.error();
    std::fprintf(stderr, "%s: ", prompt.c_str());
    const Silence silence;
    return read_secret(prompt);
}

cs::Result<cs::Secret> Input::hidden_twice(const std::string& prompt, std::string_view instead) {
    auto first = hidden(prompt, instead);
    if (!first) return first;
    const auto second = hidden(prompt + ", once more", instead);
    if (!second) return second.error();
    if (*first == *second) return first;
    return cs::Error(cs::errc::invalid_argument, "the two differ; nothing was changed, try again");
}

cs::Result<std::string> Input::visible(const std::string& prompt, std::string_view instead) {
    if (auto there = need_terminal(instead); !there) return there.error();
    std::fprintf(stderr, "%s: ", prompt.c_str());
    const auto text = read_secret(prompt);
    if (!text) return text.error();
    return std::string(text->text());
}

bool Input::confirmed(const std::string& question) {
    if (!is_terminal(STDIN_FILENO)) return true;
    const auto answer = visible(question + " Type 'yes'", "--yes");
    return answer && *answer == "yes";
}

ProgressBar::ProgressBar(std::string what)
    : what_(std::move(what)),
      visible_(is_terminal(STDERR_FILENO)),
      started_(std::chrono::steady_clock::now()) {}

ProgressBar::~ProgressBar() {
    if (drawn_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::show(std::uint64_t done, std::uint64_t whole, const std::string& counted) {
    const auto now = std::chrono::steady_clock::now();
    if (!visible_ || (drawn_ && now - last_ < std::chrono::milliseconds{50})) return;
    last_ = now;
    drawn_ = true;
    winsize size{};
    const int columns =
        ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : 80;
    const double part =
        whole == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(whole));
    std::string tail = "  " + counted;
    const double seconds = std::chrono::duration<double>(now - started_).count();
    if (part > 0.02 && part < 1 && seconds > 1) {
        const auto left = static_cast<long>(seconds / part * (1 - part) * 1000);
        tail += ", " + span_text(cs::milliseconds{left}) + " left";
    }
    const int used = static_cast<int>(what_.size() + tail.size()) + 4;
    const int width = std::clamp(columns - used, 0, 40);
    std::string bar;
    if (whole != 0 && width >= 5) {
        const int filled = static_cast<int>(part * width);
        for (int i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
    }
    std::fprintf(stderr, "\r\033[K%s %s%s", what_.c_str(), bar.c_str(), tail.c_str());
    std::fflush(stderr);
}

}  // namespace tool
