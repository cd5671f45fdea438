#include <algorithm>
#include <array>
#include <utility>

#include "accounts/otpauth.h"
#include "accounts/recovery_codes.h"
#include "accounts/totp.h"
#include "hall_steps.h"

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

void Hall::enrol_totp(Caller<TotpEnrolment> caller, UserId id, TotpOptions options) {
    const auto pool = writable(caller.may_wait());
    if (!pool) return caller.answer(pool.error());
    if (options.label.size() > label_limit) {
        return caller.answer(Error(errc::invalid_totp, "a label has at most 64 bytes"));
    }
    const auto user = get_user(id);
    if (!user) return caller.answer(user.error());
    accounts::Otpauth otpauth;
    otpauth.issuer = (*pool)->settings.issuer;
    otpauth.account = user->login;
    otpauth.parameters = {.algorithm = accounts::TotpAlgorithm{value(options.hash)},
                          .digits = options.digits,
                          .period = std::chrono::seconds{options.period}};
    if (auto valid = accounts::check(otpauth.parameters); !valid)
        return caller.answer(valid.error());
    otpauth.secret = Secret::of_size(accounts::new_totp_secret_size);
    environment_->random(otpauth.secret.writable());
    auto uri = accounts::format_otpauth(otpauth);
    if (!uri) return caller.answer(uri.error());

    commands::AddAuthenticator command{.id = id, .authenticator = to_record(otpauth)};
    environment_->random(command.authenticator.id.bytes);
    command.authenticator.label = std::move(options.label);
    command.authenticator.created = now().wall;
    TotpEnrolment enrolment{.id = command.authenticator.id, .uri = *std::move(uri)};
    std::move(caller).write(
        std::move(command),
        [enrolment = std::move(enrolment)](Caller<TotpEnrolment> enrolled, LogSeq) mutable {
            enrolled.answer(std::move(enrolment));
        });
}

void Hall::confirm_totp(Caller<LogSeq> caller, UserId id, TotpId authenticator, std::string code) {
    auto pool = writable(caller.may_wait());
    if (!pool) return caller.answer(pool.error());
    auto subject = find_subject(*pool, id);
    if (!subject) return caller.answer(subject.error());
    if (!subject->known) return caller.answer(Error(errc::not_found, "no user " + to_string(id)));
    const auto found =
        std::ranges::find(subject->user.authenticators, authenticator, &records::Authenticator::id);
    if (found == subject->user.authenticators.end()) {
        return caller.answer(Error(errc::not_found, "no such authenticator"));
    }
    if (found->confirmed) return caller.answer(errc::already_confirmed);
    if (!clock_is_sound()) {
        return caller.answer(Error(errc::clock_behind, "set this machine's clock first"));
    }
    const auto credential = attempts::CredentialId::totp(id, authenticator);
    std::move(caller).reserve(
        credential,
        [this, view = *pool, credential] { return read_standing(*view, credential); },
        [this, credential, wanted = std::move(*found), code = std::move(code)](
            Caller<LogSeq> guesser, Steps::Pass pass) {
            if (std::holds_alternative<attempts::Locked>(pass)) {
                return guesser.answer(
                    Error(errc::wrong_code, "too many wrong codes; wait, or enrol anew"));
            }
            auto write = judge_first_code(credential, wanted, code);
            const bool is_right = static_cast<bool>(write.execute);
            std::move(guesser).commit(
                std::move(write),
                [guess = std::get<Steps::Guess>(std::move(pass)), is_right](Caller<LogSeq> judged,
                                                                            LogSeq seq) {
                    judged.answer(is_right ? Result<LogSeq>(seq) : errc::wrong_code);
                });
        });
}

Write Hall::judge_first_code(const attempts::CredentialId& credential,
                             const records::Authenticator& authenticator,
                             std::string_view code) {
    const UnixTime time = judged_time();
    const auto parameters = parameters_of(authenticator);
    const auto step = accounts::matching_step(parameters, authenticator.secret.bytes(), code, time);
    Write write;
    if (!step) {
        write.rows = [credential](attempts::Journal& journal) {
            return journal.count_failure(credential);
        };
        return write;
    }
    write.rows = [this, credential, step = *step, period = parameters.period, time](
                     attempts::Journal& journal) -> Result<void> {
        const auto spent = journal.spend(credential,
                                         attempts::Code::totp_step(value(step)),
                                         time + spent_row_kept,
                                         step_view(period, time));
        if (!spent) return spent.error();
        if (!*spent) return errc::wrong_code;
        const auto cleared = journal.record_success(credential);
        return cleared ? Result<void>() : cleared.error();
    };
    write.execute = executing(commands::ConfirmAuthenticator{credential.user(), authenticator.id});
    return write;
}

void Hall::remove_totp(Caller<LogSeq> caller, UserId id, TotpId authenticator) {
    std::move(caller).write(commands::RemoveAuthenticator{id, authenticator});
}

void Hall::make_recovery_codes(Caller<std::vector<Secret>> caller, UserId id) {
    constexpr std::size_t size = accounts::recovery_code_count * accounts::recovery_code_size;
    auto random = Secret::of_size(size);
    environment_->random(random.writable());
    commands::SetRecoveryCodes command{.id = id, .codes = {}};
    std::vector<Secret> printed;
    for (const auto code : accounts::split_recovery_codes(random.bytes().first<size>())) {
        command.codes.push_back({accounts::recovery_code_digest(code, *recovery_key_).bytes});
        printed.push_back(accounts::print_recovery_code(code));
    }
    std::move(caller).write(
        std::move(command),
        [printed = std::move(printed)](Caller<std::vector<Secret>> maker, LogSeq) mutable {
            maker.answer(std::move(printed));
        });
}

}  // namespace countersign
