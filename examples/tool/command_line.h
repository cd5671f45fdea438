#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <memory>
#include <string>

#include "commands.h"

namespace tool {

using Action = std::function<Outcome(Session&)>;

/// Stands at the end of every command's help.
extern const char* const exit_statuses;

/// Adds commands, each of which sets the action when it is the one that was given.
class Commands {
  public:
    explicit Commands(Action& chosen) : chosen_(&chosen) {}

    template <class Command>
    struct Added {
        CLI::App& app;
        Command& command;
    };

    /// A command on a directory. `fields` are those of its JSON object.
    template <class Command>
    Added<Command> add(CLI::App& parent,
                       const char* name,
                       const char* about,
                       const std::string& fields) {
        auto command = std::make_shared<Command>();
        auto* app = parent.add_subcommand(name, about);
        app->footer((fields.empty() ? "" : "--json: " + fields + "\n") + exit_statuses);
        app->callback([chosen = chosen_, command] {
            *chosen = [command](Session& session) { return run(*command, session); };
        });
        app->add_option("DIR", command->at.directory, "The directory of the store")->required();
        add_key(*app, "", command->at.key, "The key: this file, instead of DIR.key");
        return {*app, *command};
    }

    /// --key-file, --passphrase and --passphrase-stdin, or, with `of`, those of another key.
    static void add_key(CLI::App& app, const std::string& of, KeyChoice& key, const char* about);

    template <class Command>
    Added<Command> add_on_user(CLI::App& parent,
                               const char* name,
                               const char* about,
                               const std::string& fields) {
        const auto added = add<Command>(parent, name, about, fields);
        added.app.add_option("LOGIN", added.command.login, "The user's login, or id")->required();
        return added;
    }

  private:
    Action* chosen_;
};

/// A command that holds others.
CLI::App& add_group(CLI::App& parent, const char* name, const char* about);
/// An option for a span of time as people write it: 30s, 15m, 24h, 7d, 500ms.
CLI::Option* add_span(CLI::App& app,
                      const char* name,
                      std::function<void(cs::milliseconds)> take,
                      const char* about);

/// user
void add_users(CLI::App& app, Commands& commands);
/// login, lockout, totp
void add_sign_in(CLI::App& app, Commands& commands);

}  // namespace tool
