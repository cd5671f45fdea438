// user import|export
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <unordered_map>

#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "rows.h"
#include "terminal.h"
#include "user_json.h"

namespace tool {
namespace {

namespace fs = std::filesystem;

// Rows go to the store in groups, each one commit: of as many passwords as keep a thread busy for
// about a second, or of as many rows as a batch of the log likes.
constexpr std::size_t group_passwords = 64;
constexpr std::size_t group_rows = 4'000;

struct Group {
    std::vector<std::uint64_t> lines;
    std::vector<std::string> logins;
    std::vector<cs::NewUser> users;
    std::size_t passwords = 0;
};

/// Errors that are a row's own fault; any other ends the import.
bool is_of_row(cs::errc code) {
    using enum cs::errc;
    switch (code) {
        case invalid_argument:
        case invalid_login:
        case invalid_password:
        case password_blocked:
        case invalid_email:
        case invalid_hash:
        case invalid_totp:
        case already_exists:
        case malformed:
        case too_large:
            return true;
        default:
            return false;
    }
}

/// The rows that were not imported, as CSV: line, login, error, reason. Written when it is closed,
/// by line, whichever thread was told of them first.
class Report {
  public:
    /// An empty one, which shows that the file can be written. Errors: errc::read_only.
    static cs::Result<Report> open(const std::string& path) {
        Report report(path);
        if (report.close()) return report;
        return cs::Error(cs::errc::read_only,
                         "the report " + path + " cannot be written; name another with --report");
    }
    const std::string& path() const noexcept { return path_; }
    void add(std::uint64_t line, const std::string& login, const cs::Error& error) {
        rows_[line] = csv_field(printable(login)) + ',' + cs::name(error.code()) + ',' +
                      csv_field(printable(error.message()));
    }
    bool close() const {
        std::ofstream file(path_, std::ios::trunc);
        file << "line,login,error,reason\n";
        for (const auto& [line, text] : rows_) file << line << ',' << text << '\n';
        file.close();
        return !file.fail();
    }

  private:
    explicit Report(std::string path) : path_(std::move(path)) {}
    std::string path_;
    std::map<std::uint64_t, std::string> rows_;
};

/// Threads that hash and write groups, and what came of them.
class Import {
  public:
    Import(cs::Store& store, Report& report, unsigned threads) : store_(store), report_(report) {
        for (unsigned i = 0; i < threads; ++i) {
            threads_.emplace_back([this] { work(); });
        }
    }
    ~Import() { finish(); }
    Import(const Import&) = delete;
    Import& operator=(const Import&) = delete;

    struct Counts {
        std::uint64_t imported = 0;
        std::uint64_t existing = 0;
        std::uint64_t rejected = 0;
        std::uint64_t without_password = 0;
        std::optional<cs::Error> failure;
        std::uint64_t rows() const { return imported + existing + rejected; }
    };

    void reject(std::uint64_t line, const std::string& login, const cs::Error& error) {
        const std::lock_guard guard(mutex_);
        ++counts_.rejected;
        report_.add(line, login, error);
    }
    void skip_existing() {
        const std::lock_guard guard(mutex_);
        ++counts_.existing;
    }
    /// Waits until a thread is free. False: the import has failed.
    bool hand_over(Group group) {
        std::unique_lock guard(mutex_);
        changed_.wait(guard, [&] { return groups_.size() < threads_.size() || counts_.failure; });
        if (counts_.failure) return false;
        groups_.push_back(std::move(group));
        changed_.notify_all();
        return true;
    }
    void fail(cs::Error error) {
        const std::lock_guard guard(mutex_);
        if (!counts_.failure) counts_.failure = std::move(error);
        changed_.notify_all();
    }
    Counts counts() {
        const std::lock_guard guard(mutex_);
        return counts_;
    }
    /// `wait` is called while groups are still being written.
    Counts finish(const std::function<void()>& wait = {}) {
        {
            std::unique_lock guard(mutex_);
            ended_ = true;
            changed_.notify_all();
            while (wait && working_ != 0) {
                changed_.wait_for(guard, std::chrono::milliseconds{100});
                guard.unlock();
                wait();
                guard.lock();
            }
        }
        for (auto& thread : threads_) {
            if (thread.joinable()) thread.join();
        }
        return counts();
    }

  private:
    void work() {
        std::unique_lock guard(mutex_);
        ++working_;
        for (;;) {
            changed_.wait(guard, [&] { return !groups_.empty() || ended_ || counts_.failure; });
            if (groups_.empty() || counts_.failure) break;
            Group group = std::move(groups_.front());
            groups_.pop_front();
            changed_.notify_all();
            guard.unlock();
            const auto results = write(group);
            guard.lock();
            for (std::size_t i = 0; i < results.size(); ++i) settle(group, i, results[i]);
        }
        --working_;
        changed_.notify_all();
    }

    std::vector<cs::Result<cs::UserId>> write(Group& group) {
        try {
            return store_.users().create_many(std::move(group.users));
        } catch (const std::bad_alloc&) {
            fail(cs::errc::out_of_memory);
            return {};
        }
    }

    void settle(const Group& group, std::size_t i, const cs::Result<cs::UserId>& result) {
        if (result) {
            ++counts_.imported;
        } else if (is_of_row(result.error().code())) {
            ++counts_.rejected;
            report_.add(group.lines[i], group.logins[i], result.error());
        } else if (!counts_.failure) {
            counts_.failure = result.error();
        }
    }

    cs::Store& store_;
    Report& report_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Group> groups_;
    Counts counts_;
    bool ended_ = false;
    unsigned working_ = 0;
    std::vector<std::thread> threads_;
};

/// Tells rows that are new from those whose user is there, and from a second row of one login.
class Sieve {
  public:
    explicit Sieve(cs::Store& store) : store_(store) {}

    enum class Kind { fresh, existing };
    cs::Result<Kind> judge(std::uint64_t line, const std::string& login) {
        const auto found = store_.users().find(login);
        if (!found && found.error() == cs::errc::not_found) {
            const auto [place, added] = lines_.emplace(folded(login), line);
            if (!added) return twice(place->second);
            return Kind::fresh;
        }
        if (!found && found.error() == cs::errc::not_held) return Kind::existing;
        if (!found) return found.error();
        const auto [place, added] = lines_.emplace(found->login, line);
        if (!added) return twice(place->second);
        return Kind::existing;
    }

  private:
    static cs::Error twice(std::uint64_t line) {
        return {
            cs::errc::already_exists,
            "line " + std::to_string(line) + " has the same login; one of the two is another's"};
    }
    /// Nearly as a login is normalised; what escapes this is refused by the store.
    static std::string folded(std::string login) {
        for (char& c : login) {
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        }
        return login;
    }

    cs::Store& store_;
    std::unordered_map<std::string, std::uint64_t> lines_;
};

cs::NewUser to_user(RowFields&& fields, cs::RealmId realm) {
    return {.login = std::move(fields.login),
            .password = cs::Secret(std::move(fields.password)),
            .display_name = std::move(fields.display_name),
            .email = std::move(fields.email),
            .disabled = fields.disabled,
            .realm = realm,
            .password_hash = std::move(fields.password_hash),
            .totp_uri = std::move(fields.totp_uri)};
}

std::string counted(const Import::Counts& counts) {
    return std::to_string(counts.rows()) + " rows";
}

/// Reads to the end of the file, or of what the import takes.
cs::Result<void> feed(RowReader& reader,
                      cs::Store& store,
                      Import& import,
                      cs::RealmId realm,
                      const std::function<void()>& progress) {
    Sieve sieve(store);
    Group group;
    for (;;) {
        auto row = reader.next();
        if (!row) return row.error();
        if (!*row) break;
        const std::uint64_t line = (*row)->line;
        auto* fields = std::get_if<RowFields>(&(*row)->content);
        if (fields == nullptr) {
            import.reject(line, {}, std::get<cs::Error>((*row)->content));
            continue;
        }
        const auto kind = sieve.judge(line, fields->login);
        if (!kind && is_of_row(kind.error().code())) {
            import.reject(line, fields->login, kind.error());
            continue;
        }
        if (!kind) return kind.error();
        progress();
        if (*kind == Sieve::Kind::existing) {
            import.skip_existing();
            continue;
        }
        group.lines.push_back(line);
        group.logins.push_back(fields->login);
        group.passwords += fields->password.empty() ? 0 : 1;
        group.users.push_back(to_user(std::move(*fields), realm));
        if (group.passwords < group_passwords && group.users.size() < group_rows) continue;
        if (!import.hand_over(std::exchange(group, {}))) return {};
    }
    if (!group.users.empty()) import.hand_over(std::move(group));
    return {};
}

std::optional<RowReader::Format> format_of(const std::string& format, const std::string& file) {
    if (format == "csv") return RowReader::Format::csv;
    if (format == "jsonl") return RowReader::Format::json_lines;
    const auto extension = fs::path(file).extension();
    if (extension == ".csv") return RowReader::Format::csv;
    if (extension == ".jsonl" || extension == ".ndjson") return RowReader::Format::json_lines;
    return std::nullopt;
}

/// Where the rejected rows are listed. Errors: errc::invalid_argument when that is the input.
cs::Result<std::string> report_of(const UserImport& import) {
    std::string report = import.report;
    if (report.empty()) report = import.file == "-" ? "import" : import.file;
    if (import.report.empty()) report += ".rejected.csv";
    std::error_code ignored;
    if (import.file != "-" && fs::equivalent(report, import.file, ignored)) {
        return cs::Error(cs::errc::invalid_argument, "--report would overwrite the file itself");
    }
    return report;
}

Exit show(Session& session,
          const UserImport& import,
          const Import::Counts& counts,
          const std::string& report,
          const std::set<std::string>& ignored) {
    std::string text = std::to_string(counts.imported) + " imported, " +
                       std::to_string(counts.existing) + " were there already, " +
                       std::to_string(counts.rejected) + " rejected";
    if (counts.rejected != 0) text += ": see " + report;
    for (const auto& name : ignored) text += "\nnot imported: column " + printable(name);
    session.output.show({{"imported", counts.imported},
                         {"rejected", counts.rejected},
                         {"existing", counts.existing},
                         {"report", report},
                         {"ignored_columns", ignored}},
                        text);
    return import.strict && counts.rejected != 0 ? Exit::failed : Exit::done;
}

}  // namespace

Outcome run(const UserImport& import, Session& session) {
    auto store = session.open(import.at, import.blocked_passwords);
    if (!store) return store.error();
    const auto status = store->status();
    if (!status) return status.error();
    if (!status->is_primary) {
        return cs::Error(cs::errc::not_primary, "import at " + status->primary_name);
    }
    std::ifstream file;
    std::uint64_t size = 0;
    if (import.file != "-") {
        std::error_code failure;
        size = fs::file_size(import.file, failure);
        file.open(import.file, std::ios::binary);
        if (failure || !file) {
            return cs::Error(cs::errc::not_found,
                             import.file + " cannot be read; check the path and its permissions");
        }
    }
    auto reader = RowReader::open(import.file == "-" ? std::cin : file,
                                  format_of(import.format, import.file));
    if (!reader) return reader.error();
    const auto report_path = report_of(import);
    if (!report_path) return report_path.error();
    auto report = Report::open(*report_path);
    if (!report) return report.error();

    Import::Counts counts;
    {
        ProgressBar bar("importing");
        const unsigned cores = std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
        Import work(*store, *report, import.threads != 0 ? import.threads : cores);
        const auto progress = [&] { bar.show(reader->bytes(), size, counted(work.counts())); };
        const auto fed = feed(*reader, *store, work, cs::RealmId{import.realm}, progress);
        if (!fed) work.fail(fed.error());
        counts = work.finish(progress);
    }
    if (!report->close()) {
        return cs::Error(cs::errc::disk_full, "the report " + *report_path + " is not whole");
    }
    if (counts.failure) {
        return cs::Error(counts.failure->code(),
                         counts.failure->detail() + (counts.failure->detail().empty() ? "" : "; ") +
                             std::to_string(counts.imported) +
                             " rows were imported before; run it again to go on");
    }
    return show(session, import, counts, *report_path, reader->ignored());
}

Outcome run(const UserExport& whole, Session& session) {
    auto store = session.open(whole.at);
    if (!store) return store.error();
    std::ofstream file;
    if (!whole.file.empty()) {
        // Attributes of people: for the eyes of whoever runs this.
        const auto before = ::umask(077);
        file.open(whole.file, std::ios::binary | std::ios::trunc);
        ::umask(before);
        if (!file) {
            return cs::Error(cs::errc::read_only, whole.file + " cannot be written");
        }
    }
    std::ostream& out = whole.file.empty() ? std::cout : file;
    const bool csv = whole.format.empty() ? !session.output.json() : whole.format == "csv";
    constexpr const char* columns[] = {"id",
                                       "login",
                                       "display_name",
                                       "email",
                                       "disabled",
                                       "has_password",
                                       "has_totp",
                                       "realm",
                                       "created",
                                       "modified"};
    if (csv) {
        for (const auto* name : columns) out << (name == columns[0] ? "" : ",") << name;
        out << "\r\n";
    }
    std::uint64_t users = 0;
    cs::UserQuery query{.limit = 1000};
    do {
        const auto page = store->users().list(query);
        if (!page) return page.error();
        for (const auto& user : page->users) {
            const Json all = to_json(user);
            Json row;
            for (const auto* name : columns) row[name] = all[name];
            if (!csv) out << row.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
            for (const auto* name : csv ? std::span(columns) : std::span<const char* const>()) {
                const auto& value = row[name];
                out << (name == columns[0] ? "" : ",")
                    << (value.is_string() ? csv_field(value.get<std::string>()) : value.dump());
            }
            if (csv) out << "\r\n";
            ++users;
        }
        query.cursor = page->next;
    } while (!query.cursor.empty());
    out.flush();
    if (!out) return cs::Error(cs::errc::disk_full, "the export is not whole");
    if (!whole.file.empty()) {
        session.output.show({{"exported", users}, {"file", whole.file}},
                            std::to_string(users) + " users are in " + whole.file);
    }
    return Exit::done;
}

}  // namespace tool
