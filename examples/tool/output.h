#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include <countersign/error.h>
#include <countersign/time.h>

namespace tool {

namespace cs = countersign;
using Json = nlohmann::ordered_json;

/// How the program ends.
enum class Exit {
    done = 0,     ///< or accepted
    refused = 1,  ///< the user was, not the command
    usage = 2,    ///< the arguments make no sense
    failed = 3,
};
using Outcome = cs::Result<Exit>;

/// Which of those an error is.
Exit exit_of(cs::errc code) noexcept;

/// Prints for people or, as one JSON object a line, for programs.
class Output {
  public:
    explicit Output(bool json) : json_(json) {}
    bool json() const noexcept { return json_; }

    /// One of the two, on standard output, with a line break.
    void show(const Json& object, std::string_view text);
    /// For people alone, on standard error.
    void note(std::string_view text);
    /// On standard error: what happened and what to do.
    void fail(const cs::Error& error);
    void fail(std::string_view name, std::string_view message);
    /// Whether all of it has been written. Errors: errc::io_error.
    cs::Result<void> flush();

  private:
    bool json_;
};

/// What an operator does about an error; empty where its own words say it.
std::string_view advice(cs::errc code) noexcept;

/// Text of others for a terminal: control characters, those that turn the direction of writing and
/// bytes that are no UTF-8 come out as escapes.
std::string printable(std::string_view text);
/// RFC 3339 in UTC with milliseconds.
std::string time_text(cs::UnixTime time);
/// "29.5 s"; "4 min 12 s".
std::string span_text(cs::milliseconds span);

Json span_json(std::optional<cs::milliseconds> span);

}  // namespace tool
