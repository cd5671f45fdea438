#include <algorithm>
#include <array>
#include <utility>

#include "accounts/otpauth.h"
#include "accounts/recovery_codes.h"
#include "accounts/totp.h"
#include "hall.h"

namespace countersign {
namespace {

constexpr std::size_t label_limit = 64;
constexpr milliseconds spent_row_kept{std::chrono::days{1}};

records::Authenticator to_record(const accounts::Otpauth& otpauth) {
    return {.id = {},
            .label = {},
            .secret = sealing::PlainBytes::copy_of(otpauth.secret.bytes()),
            .algorithm = otpauth.parameters.algorithm,
            .digits = static_cast<std::uint8_t>(otpauth.parameters.digits),
            .period = static_cast<std::uint16_t>(otpauth.parameters.period.count()),
            .confirmed = false,
            .created = {}};
}

accounts::TotpParameters parameters_of(const records::Authenticator& authenticator) {
    return {.algorithm = authenticator.algorithm,
            .digits = authenticator.digits,
            .period = std::chrono::seconds{authenticator.period}};
}

}  // namespace

Result<records::Authenticator> Hall::import_authenticator(std::string_view uri, UnixTime now) {
    const auto otpauth = accounts::parse_otpauth(uri);
    if (!otpauth) return otpauth.error();
    auto authenticator = to_record(*otpauth);
    environment_->random(authenticator.id.bytes);
    authenticator.confirmed = true;  // it is in use already
    authenticator.created = now;
    return authenticator;
}

Result<TotpEnrolment> Hall::enrol_totp(UserId id, const TotpOptions& options) {
    const auto pool = writable();
    if (!pool) return pool.error();
    if (options.label.size() > label_limit) {
        return Error(errc::invalid_totp, "a label has at most 64 bytes");
    }
    const auto user = get_user(id);
    if (!user) return user.error();
    accounts::Otpauth otpauth;
    otpauth.issuer = (*pool)->settings.issuer;
    otpauth.account = user->login;
    otpauth.parameters = {.algorithm = accounts::TotpAlgorithm{value(options.hash)},
                          .digits = options.digits,
                          .period = std::chrono::seconds{options.period}};
    if (auto valid = accounts::check(otpauth.parameters); !valid) return valid.error();
    otpauth.secret = Secret::of_size(accounts::new_totp_secret_size);
    environment_->random(otpauth.secret.writable());
    auto uri = accounts::format_otpauth(otpauth);
    if (!uri) return uri.error();

    commands::AddAuthenticator command{.id = id, .authenticator = to_record(otpauth)};
    environment_->random(command.authenticator.id.bytes);
    command.authenticator.label = options.label;
    command.authenticator.created = now().wall;
    const TotpId authenticator = command.authenticator.id;
    if (const auto written = write(std::move(command)); !written) return written.error();
    return TotpEnrolment{.id = authenticator, .uri = *std::move(uri)};
}

Result<LogSeq> Hall::confirm_totp(UserId id, TotpId authenticator, std::string_view code) {
    auto pool = writable();
    if (!pool) return pool.error();
    const auto subject = find_subject(*pool, id);
    if (!subject) return subject.error();
    if (!subject->known) return Error(errc::not_found, "no user " + to_string(id));
    const auto found =
        std::ranges::find(subject->user.authenticators, authenticator, &records::Authenticator::id);
    if (found == subject->user.authenticators.end()) {
        return Error(errc::not_found, "no such authenticator");
    }
    if (found->confirmed) return errc::already_confirmed;
    if (!clock_is_sound()) return Error(errc::clock_behind, "set this machine's clock first");

    const auto credential = attempts::CredentialId::totp(id, authenticator);
    const auto read = [this, view = *pool, credential] { return read_standing(*view, credential); };
    auto pass = gate_->wait_reserved(credential, deadline({}), now().monotonic, read);
    if (!pass) return pass.error();
    if (std::holds_alternative<attempts::Locked>(*pass)) {
        return Error(errc::wrong_code, "too many wrong codes; wait, or enrol anew");
    }
    auto& reservation = std::get<attempts::Reservation>(*pass);
    const UnixTime time = judged_time();
    const auto parameters = parameters_of(*found);
    const auto step = accounts::matching_step(parameters, found->secret.bytes(), code, time);
    Write write;
    bool accepted = false;
    if (step) {
        write.rows = [&](attempts::Journal& journal) -> Result<void> {
            const auto spent = journal.spend(credential,
                                             attempts::Code::totp_step(value(*step)),
                                             time + spent_row_kept,
                                             step_view(parameters.period, time));
            if (!spent) return spent.error();
            accepted = *spent;
            if (!accepted) return errc::wrong_code;
            const auto cleared = journal.record_success(credential);
            return cleared ? Result<void>() : cleared.error();
        };
        write.execute = executing(commands::ConfirmAuthenticator{id, authenticator});
    } else {
        write.rows = [&](attempts::Journal& journal) { return journal.count_failure(credential); };
    }
    const auto outcome = queue_.commit(std::move(write));
    gate_->release(std::move(reservation), read, now().monotonic);
    if (outcome && !step) return errc::wrong_code;
    return outcome;
}

Result<LogSeq> Hall::remove_totp(UserId id, TotpId authenticator) {
    return write(commands::RemoveAuthenticator{id, authenticator});
}

Result<std::vector<Secret>> Hall::make_recovery_codes(UserId id) {
    constexpr std::size_t size = accounts::recovery_code_count * accounts::recovery_code_size;
    auto random = Secret::of_size(size);
    environment_->random(random.writable());
    commands::SetRecoveryCodes command{.id = id, .codes = {}};
    std::vector<Secret> printed;
    for (const auto code : accounts::split_recovery_codes(random.bytes().first<size>())) {
        command.codes.push_back({accounts::recovery_code_digest(code, *recovery_key_).bytes});
        printed.push_back(accounts::print_recovery_code(code));
    }
    if (const auto written = write(std::move(command)); !written) return written.error();
    return printed;
}

}  // namespace countersign
