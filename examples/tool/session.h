#pragma once

#include <memory>
#include <string>

#include <countersign/error.h>
#include <countersign/keys.h>
#include <countersign/secret.h>
#include <countersign/store.h>

#include "output.h"

namespace tool {

/// Where a key comes from. Nothing given: the file beside the directory.
struct KeyChoice {
    std::string file;
    bool passphrase = false;        ///< typed at the terminal
    bool passphrase_stdin = false;  ///< a line of standard input

    bool given() const noexcept { return !file.empty() || passphrase || passphrase_stdin; }
};

/// A directory and the key that opens it.
struct StoreAt {
    std::string directory;
    KeyChoice key;
};

/// What the user of the program types or pipes in.
class Input {
  public:
    /// A line of standard input without its end, read byte by byte so that what follows is left for
    /// others. At most 64 KiB. Errors: errc::invalid_argument (the end, or too long).
    cs::Result<cs::Secret> line(std::string_view what);
    /// Typed at the terminal without echo. Errors: errc::invalid_argument (no terminal; `instead`
    /// says which option helps), errc::cancelled.
    cs::Result<cs::Secret> hidden(const std::string& prompt, std::string_view instead);
    /// The same, typed twice.
    cs::Result<cs::Secret> hidden_twice(const std::string& prompt, std::string_view instead);
    /// Typed at the terminal, seen. Errors: as `hidden`.
    cs::Result<std::string> visible(const std::string& prompt, std::string_view instead);
    /// True where nobody can be asked.
    bool confirmed(const std::string& question);
};

/// What commands work with.
struct Session {
    Output output;
    Input input;

    /// `blocked_passwords` is a file's name, or empty. Errors: those of Store::open;
    /// errc::not_found (that file).
    cs::Result<cs::Store> open(const StoreAt& at, const std::string& blocked_passwords = {});
    /// The same with other options of the store.
    cs::Result<cs::Store> open(const StoreAt& at, cs::Options options);
    /// Whom `login` names: a login, or the id of a user. Errors: errc::not_found.
    cs::Result<cs::User> find(cs::Store& store, const std::string& login);

    /// The provider that `choice` names; nothing given: the key file beside `directory`.
    cs::Result<std::shared_ptr<cs::KeyProvider>> key(const KeyChoice& choice,
                                                     const std::string& directory,
                                                     std::string_view what = "passphrase");
};

/// A provider for a new store or key. The key file is made unless it is there.
class NewKey {
  public:
    static cs::Result<NewKey> make(Session& session,
                                   const KeyChoice& choice,
                                   const std::string& file,
                                   std::string_view what);
    NewKey(NewKey&& other) noexcept;
    NewKey& operator=(NewKey&&) = delete;
    /// Removes a file that was made, unless kept.
    ~NewKey();
    void keep() noexcept { made_.clear(); }

    const std::shared_ptr<cs::KeyProvider>& provider() const noexcept { return provider_; }
    /// Empty: a passphrase.
    const std::string& file() const noexcept { return file_; }

  private:
    NewKey() = default;
    std::shared_ptr<cs::KeyProvider> provider_;
    std::string file_;
    std::string made_;
};

/// As files beside it are named after: without slashes at its end, and not "." or "..".
std::string plain_directory(const std::string& directory);
/// DIR.key, unless `choice` names another file; empty: a passphrase.
std::string key_file_of(const KeyChoice& choice, const std::string& directory);

}  // namespace tool
