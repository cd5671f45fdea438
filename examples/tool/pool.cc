// init, status, keys: the directory itself.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "commands.h"

namespace tool {
namespace {

namespace fs = std::filesystem;

constexpr const char* about_keys =
    "A key beside the data protects nothing against whoever takes this machine or its disk. Keep "
    "it\n"
    "elsewhere: on a volume that is there only to start (--key-file), as a passphrase that is "
    "typed\n"
    "('countersign keys rewrap DIR --new-passphrase', from then on --passphrase), or, in a "
    "program\n"
    "of your own, in a KMS, HSM or TPM (keys.h).\n";
constexpr const char* about_root =
    "The root key admits nodes and says what they may do. Move its file to a medium that is "
    "locked\n"
    "away, and fetch it only for 'countersign invite'.\n";

/// Whether `file` would be taken along with the directory.
bool lies_beside(const std::string& file, const std::string& directory) {
    std::error_code ignored;
    const auto key = fs::weakly_canonical(file, ignored).parent_path();
    const auto data = fs::weakly_canonical(directory, ignored);
    return !file.empty() && (key == data.parent_path() || key == data);
}

Json links_of(const cs::Status& status) {
    auto links = Json::array();
    for (const auto& link : status.links) {
        links.push_back({{"name", link.name},
                         {"node", cs::to_string(link.node)},
                         {"state", cs::name(link.state)},
                         {"acked_seq", cs::value(link.acked_seq)}});
    }
    return links;
}

Json to_json(const cs::Status& status, bool key_beside) {
    return {{"pool", cs::to_string(status.pool)},
            {"node", cs::to_string(status.node)},
            {"name", status.name},
            {"role", status.is_primary ? "primary" : "replica"},
            {"stage", cs::name(status.stage)},
            {"root_term", cs::value(status.root_term)},
            {"epoch", cs::value(status.epoch)},
            {"seq", cs::value(status.seq)},
            {"digest", status.digest},
            {"users", status.users},
            {"primary", status.primary_name},
            {"primary_node", cs::to_string(status.primary)},
            {"data_age_ms", span_json(status.data_age)},
            {"served", status.served},
            {"links", links_of(status)},
            {"restored", status.restored},
            {"damage", status.damage.empty() ? Json(nullptr) : Json(status.damage)},
            {"key", status.key_provider},
            {"key_beside_data", key_beside},
            {"root_key_here", status.root_key_here}};
}

std::string to_text(const cs::Status& status, bool key_beside) {
    std::string text;
    const auto line = [&](std::string_view name, const std::string& value) {
        text.append(name).append(10 - name.size(), ' ') += printable(value) + "\n";
    };
    line("pool", cs::to_string(status.pool));
    line("node", (status.name.empty() ? "" : status.name + ", ") + cs::to_string(status.node));
    line("role", status.is_primary ? "primary" : "replica of " + status.primary_name);
    line("stage", cs::name(status.stage));
    line("epoch", std::to_string(cs::value(status.epoch)));
    line("seq", std::to_string(cs::value(status.seq)));
    line("digest", status.digest);
    line("users", std::to_string(status.users));
    line("data age", status.data_age ? span_text(*status.data_age) : "not known");
    line("key", status.key_provider);
    if (!status.damage.empty()) {
        line("damage", status.damage + ": nobody signs in until it is repaired");
    }
    if (status.restored) line("restored", "this directory is a copy, or came from a backup");
    line("served", status.served ? "yes" : "no; 'countersign serve' keeps its links");
    for (const auto& link : status.links) {
        line("link",
             link.name + ", " + cs::name(link.state) + ", has stored up to " +
                 std::to_string(cs::value(link.acked_seq)));
    }
    if (key_beside) text.append("\n") += about_keys;
    if (status.root_key_here) text.append("\n") += about_root;
    text.pop_back();
    return text;
}

/// Wraps node and root key with `to`. On an error both are as they were, unless it says otherwise:
/// then both keys are kept.
cs::Result<void> rewrap(cs::Store& store,
                        const std::string& root_file,
                        cs::KeyProvider& from,
                        NewKey& to) {
    std::error_code ignored;
    bool root = fs::exists(root_file, ignored);
    if (root) {
        const auto done = store.nodes().rewrap_root(root_file, from, *to.provider());
        // A root key with a key of its own keeps it.
        if (!done && done.error() != cs::errc::wrong_key) return done;
        root = done.has_value();
    }
    const auto done = store.rewrap(to.provider());
    if (done) to.keep();
    if (done || !root) return done;
    if (!store.nodes().rewrap_root(root_file, *to.provider(), from)) {
        to.keep();
        return cs::Error(done.error().code(),
                         done.error().detail() + "; keep both keys: the new one opens " +
                             root_file + ", the old one the directory");
    }
    return done;
}

}  // namespace

Outcome run(const Init& init, Session& session) {
    const std::string directory = plain_directory(init.at.directory);
    auto key = NewKey::make(session, init.at.key, directory + ".key", "passphrase");
    if (!key) return key.error();
    std::optional<NewKey> root;
    if (init.root_key.given()) {
        auto made = NewKey::make(session, init.root_key, {}, "passphrase of the root key");
        if (!made) return made.error();
        root.emplace(std::move(*made));
    }
    const std::string root_file = init.root_file.empty() ? directory + ".root" : init.root_file;
    auto store = cs::Store::create({.directory = directory,
                                    .node_name = init.name,
                                    .key_provider = key->provider(),
                                    .root_file = root_file,
                                    .root_key_provider = root ? root->provider() : nullptr,
                                    .pool = init.pool});
    if (!store) return store.error();
    key->keep();
    if (root) root->keep();
    const auto status = store->status();
    if (!status) return status.error();
    const bool beside = lies_beside(key->file(), directory);
    std::string text = "made pool " + cs::to_string(status->pool) + " with its primary " +
                       status->name + " in " + directory + "\n";
    text += "key       " + status->key_provider + "\nroot key  " + root_file + "\n";
    if (beside) text.append("\n") += about_keys;
    text.append("\n") += about_root;
    text.pop_back();
    session.output.show({{"pool", cs::to_string(status->pool)},
                         {"node", cs::to_string(status->node)},
                         {"name", status->name},
                         {"directory", directory},
                         {"key_file", key->file().empty() ? Json(nullptr) : Json(key->file())},
                         {"key_beside_data", beside},
                         {"root_file", root_file}},
                        text);
    return Exit::done;
}

Outcome run(const ShowStatus& show, Session& session) {
    auto store = session.open(show.at);
    if (!store) return store.error();
    const auto status = store->status();
    if (!status) return status.error();
    const bool beside = lies_beside(key_file_of(show.at.key, show.at.directory),
                                    plain_directory(show.at.directory));
    session.output.show(to_json(*status, beside), to_text(*status, beside));
    return Exit::done;
}

Outcome run(const KeysRewrap& change, Session& session) {
    const std::string directory = plain_directory(change.at.directory);
    const auto from = session.key(change.at.key, directory);
    if (!from) return from.error();
    const std::string old_file = key_file_of(change.at.key, directory);
    // A new key for the same place comes under another name until it opens something.
    const bool in_place = !change.new_key.given();
    const std::string place = old_file.empty() ? directory + ".key" : old_file;
    std::error_code failure;
    if (in_place && fs::exists(place + ".new", failure)) {
        return cs::Error(cs::errc::already_exists,
                         place +
                             ".new is left of a change that was interrupted; if 'status "
                             "--key-file' says that it opens the directory, move it to " +
                             place + ", else remove it");
    }
    // Opened with the old key first, so that a wrong one leaves no new file behind.
    auto store = cs::Store::open({.directory = directory, .key_provider = *from});
    if (!store) return store.error();
    auto to = NewKey::make(session, change.new_key, place + ".new", "new passphrase");
    if (!to) return to.error();
    const std::string root_file = change.root_file.empty() ? directory + ".root" : change.root_file;
    if (auto done = rewrap(*store, root_file, **from, *to); !done) return done.error();
    std::string file = to->file();
    if (in_place) {
        fs::rename(place + ".new", place, failure);
        if (failure) {
            return cs::Error(cs::errc::io_error,
                             "the new key is " + place + ".new and could not be moved to " + place +
                                 ": " + failure.message());
        }
        file = place;
    }
    session.output.show({{"key_file", file.empty() ? Json(nullptr) : Json(file)}},
                        file.empty() ? "the directory opens with the new passphrase alone"
                                     : "the directory opens with " + file + " alone");
    return Exit::done;
}

}  // namespace tool
