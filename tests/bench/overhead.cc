// All of an attempt beyond its hash, with 100,000 users: hashes of the least cost, so that all the
// rest shows, less what libsodium alone takes to verify one. An attempt that failed, or spent a
// code, was made durable first: printed beside it is one bare SQLite transaction on the same disk.
#include <array>
#include <chrono>

#include <sodium.h>
#include <sqlite3.h>

#include "accounts/base32.h"
#include "accounts/totp.h"
#include "bench/bench.h"
#include "bench/sign_in.h"

namespace countersign::bench {
namespace {

constexpr int users = 100'000;
constexpr int attempts_each = 250;
constexpr int rounds = 20;
constexpr std::array<std::byte, accounts::new_totp_secret_size> totp_secret{std::byte{7}};

std::string with_code(int number) {
    return "with-code" + std::to_string(number);
}

void add_users_with_codes(Store& store) {
    std::vector<NewUser> many(rounds * attempts_each);
    for (int number = 0; auto& user : many) {
        user.login = with_code(number++);
        user.password_hash = password_hash;
        user.totp_uri = "otpauth://totp/bench:" + user.login +
                        "?secret=" + std::string(accounts::base32_encode(totp_secret).text());
    }
    for (auto& made : store.users().create_many(std::move(many))) require(std::move(made));
}

std::string code_now() {
    const auto now = system_environment()->now().wall;
    return accounts::hotp(totp_secret, value(*accounts::step_at(now, std::chrono::seconds{30})), 6);
}

/// Microseconds of one transaction that writes one row of 200 bytes, durably.
double bare_write() {
    const Directory directory;
    sqlite3* database = nullptr;
    const auto run = [&](const char* sql) {
        if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) std::exit(1);
    };
    sqlite3_open(directory.in("bare.db").c_str(), &database);
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE row (bytes BLOB)");
    const double time = seconds([&] {
        for (int n = 0; n < attempts_each; ++n) run("INSERT INTO row VALUES (randomblob(200))");
    });
    sqlite3_close(database);
    return 1e6 * time / attempts_each;
}

template <class Attempt>
double each_takes(int round, Attempt&& attempt) {
    const double time = seconds([&] {
        for (int n = 0; n < attempts_each; ++n) attempt(round * attempts_each + n);
    });
    return 1e6 * time / attempts_each;
}

void overhead() {
    const Directory directory;
    auto store = make_store(directory, least_memory_kib, 1);
    add_users(store, users);
    add_users_with_codes(store);
    std::vector<double> bare;
    std::vector<double> success;
    std::vector<double> failure;
    std::vector<double> totp;
    std::vector<double> write;
    for (int round = 0; round < rounds; ++round) {
        bare.push_back(1e6 / bare_rate(least_memory_kib, 1, 1, attempts_each));
        success.push_back(
            each_takes(round, [&](int n) { sign_in(store, login_of(n * 37 % users)); }));
        failure.push_back(each_takes(round, [&](int n) {
            // Users whose success is not measured: theirs has nothing to clear.
            const auto& login = login_of((n * 37 + 1) % users);
            sign_in(store, login, "wrong horse battery", Verdict::refused);
        }));
        totp.push_back(each_takes(round, [&](int n) {
            sign_in(store, with_code(n), password, Verdict::accepted, code_now());
        }));
        write.push_back(bare_write());
    }
    print("authenticate_overhead_bare_hash", least(bare), "us");
    print("authenticate_overhead_bare_write", least(write), "us");
    print("authenticate_overhead_success", least(success) - least(bare), "us");
    print("authenticate_overhead_failure", least(failure) - least(bare), "us");
    print("authenticate_overhead_totp", least(totp) - least(bare), "us");
}

}  // namespace
}  // namespace countersign::bench

int main() {
    countersign::bench::print_load();
    if (sodium_init() < 0) return 1;
    countersign::bench::overhead();
}
