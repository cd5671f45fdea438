// The command-line tool: reads the arguments, runs the command, prints how it ended.
#include <exception>
#include <new>

#include "arguments.h"
#include "session.h"

int main(int count, char** words) {
    using tool::Exit;
    const auto parsed = tool::parse(count, words);
    tool::Session session{.output = tool::Output(parsed.json), .input = {}};
    const auto end_with = [](Exit exit) { return static_cast<int>(exit); };
    if (!parsed.action) {
        if (!parsed.complaint.empty()) session.output.fail("wrong_usage", parsed.complaint);
        return end_with(parsed.complaint.empty() ? Exit::done : Exit::usage);
    }
    try {
        auto outcome = parsed.action(session);
        if (outcome) {
            if (const auto written = session.output.flush(); !written) outcome = written.error();
        }
        if (outcome) return end_with(*outcome);
        session.output.fail(outcome.error());
        return end_with(tool::exit_of(outcome.error().code()));
    } catch (const std::bad_alloc&) {
        session.output.fail(
            tool::cs::Error(tool::cs::errc::out_of_memory, "free some memory and try again"));
    } catch (const std::exception& failure) {
        session.output.fail("unexpected", failure.what());
    }
    return end_with(Exit::failed);
}
