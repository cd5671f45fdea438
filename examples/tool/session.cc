#include "session.h"

#include <filesystem>
#include <utility>

namespace tool {

namespace fs = std::filesystem;

constexpr std::size_t blocked_passwords_limit = std::size_t{64} << 20;

std::string plain_directory(const std::string& directory) {
    std::string plain = directory;
    while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
    const auto last = fs::path(plain).filename();
    if (last == "." || last == "..") {
        std::error_code ignored;
        const auto whole = fs::canonical(plain, ignored);
        if (!ignored) plain = whole.string();
    }
    return plain;
}

std::string key_file_of(const KeyChoice& choice, const std::string& directory) {
    if (!choice.file.empty()) return choice.file;
    return choice.given() ? std::string() : plain_directory(directory) + ".key";
}

cs::Result<std::shared_ptr<cs::KeyProvider>> Session::key(const KeyChoice& choice,
                                                          const std::string& directory,
                                                          std::string_view what) {
    if (const auto file = key_file_of(choice, directory); !file.empty()) return cs::key_file(file);
    auto text = choice.passphrase_stdin
                    ? input.line(what)
                    : input.hidden("The " + std::string(what), "--passphrase-stdin");
    if (!text) return text.error();
    return cs::passphrase(std::move(*text));
}

cs::Result<cs::Store> Session::open(const StoreAt& at, cs::Options options) {
    options.directory = plain_directory(at.directory);
    // Said before a key is asked for that nothing would open.
    std::error_code ignored;
    if (!fs::exists(options.directory, ignored)) {
        return cs::Error(cs::errc::not_a_store,
                         "there is no " + options.directory +
                             "; check the path, or make the store with 'countersign init'");
    }
    auto provider = key(at.key, at.directory);
    if (!provider) return provider.error();
    options.key_provider = std::move(*provider);
    if (!options.on_event) {
        options.on_event = [this](const cs::Event& event) {
            using enum cs::Event::Kind;
            if (event.kind == damage_found || event.kind == damage_repaired ||
                event.kind == new_incarnation || event.kind == disk_failed ||
                event.kind == clock_behind || event.kind == members_not_heard) {
                output.note(std::string("note: ") + cs::name(event.kind) + ": " + event.detail);
            }
        };
    }
    return cs::Store::open(std::move(options));
}

cs::Result<cs::Store> Session::open(const StoreAt& at, const std::string& blocked_passwords) {
    cs::Options options;
    if (!blocked_passwords.empty()) {
        const auto text =
            cs::system_environment()->read_file(blocked_passwords, blocked_passwords_limit);
        if (!text) return text.error();
        if (!*text) {
            return cs::Error(cs::errc::not_found, "there is no file " + blocked_passwords);
        }
        options.blocked_passwords.assign(reinterpret_cast<const char*>((*text)->data()),
                                         (*text)->size());
    }
    return open(at, std::move(options));
}

cs::Result<cs::User> Session::find(cs::Store& store, const std::string& login) {
    auto found = store.users().find(login);
    if (found || found.error() == cs::errc::not_held) return found;
    if (const auto id = cs::parse_user_id(login)) return store.users().get(*id);
    if (found.error() == cs::errc::not_found) {
        return cs::Error(
            cs::errc::not_found,
            "no user has the login " + printable(login) + "; 'countersign user list' shows all");
    }
    return found;
}

cs::Result<NewKey> NewKey::make(Session& session,
                                const KeyChoice& choice,
                                const std::string& file,
                                std::string_view what) {
    NewKey key;
    if (choice.passphrase || choice.passphrase_stdin) {
        auto text = choice.passphrase_stdin ? session.input.line(what)
                                            : session.input.hidden_twice("The " + std::string(what),
                                                                         "--passphrase-stdin");
        if (!text) return text.error();
        key.provider_ = cs::passphrase(std::move(*text));
        return key;
    }
    key.file_ = choice.file.empty() ? file : choice.file;
    key.provider_ = cs::key_file(key.file_);
    std::error_code ignored;
    if (fs::exists(key.file_, ignored)) return key;
    const auto environment = cs::system_environment();
    if (auto made = cs::make_key_file(key.file_, *environment); !made) return made.error();
    key.made_ = key.file_;
    return key;
}

NewKey::NewKey(NewKey&& other) noexcept
    : provider_(std::move(other.provider_)),
      file_(std::move(other.file_)),
      made_(std::exchange(other.made_, {})) {}

NewKey::~NewKey() {
    std::error_code ignored;
    if (!made_.empty()) fs::remove(made_, ignored);
}

}  // namespace tool
