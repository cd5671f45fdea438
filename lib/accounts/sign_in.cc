#include "accounts/sign_in.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "countersign/mutants.h"

#include "accounts/precis.h"
#include "accounts/recovery_codes.h"
#include "accounts/totp.h"
#include "attempts/unknown_names.h"
#include "sealing/argon2.h"
#include "sealing/hash.h"

namespace countersign::accounts {
namespace {

using attempts::Code;
using attempts::CodeKind;
using attempts::CredentialId;

constexpr std::size_t login_input_limit = 1024;
/// Recovery codes live until a new set is made; their spent rows go with the credential.
constexpr std::chrono::years recovery_code_life{100};
/// A spent row is kept until no node's clock can still be within the code's time.
constexpr std::chrono::days spent_row_kept{1};

/// A hash nobody's password has, at the pool's cost: verifying it takes the time of a real one.
std::string dummy_hash(const records::PoolSettings& settings) {
    const std::string salt(22, 'A');
    const std::string hash(43, 'A');
    return "$argon2id$v=19$m=" + std::to_string(settings.hash_memory_kib) +
           ",t=" + std::to_string(settings.hash_passes) + ",p=1$" + salt + "$" + hash;
}

sealing::Argon2Cost policy_cost(const records::PoolSettings& settings) {
    return {.memory_kib = settings.hash_memory_kib, .passes = settings.hash_passes};
}

/// In its normal form; what has none is nobody's password, and is hashed as it was typed.
Secret comparable(Secret typed) {
    auto normal = normalise_password(std::move(typed));
    if (normal) return std::move(*normal);
    return typed.size() <= max_password_size ? std::move(typed) : Secret();
}

TotpParameters parameters_of(const records::Authenticator& authenticator) {
    return {.algorithm = authenticator.algorithm,
            .digits = authenticator.digits,
            .period = std::chrono::seconds{authenticator.period}};
}

/// Tries every authenticator, whichever matches, so that time does not tell.
std::optional<SignInMachine::MatchedCode> match_totp(const Subject& subject,
                                                     std::string_view code,
                                                     UnixTime now) {
    std::optional<SignInMachine::MatchedCode> matched;
    for (const auto& authenticator : subject.user.authenticators) {
        if (!authenticator.confirmed) continue;
        const auto parameters = parameters_of(authenticator);
        const auto step = matching_step(parameters, authenticator.secret.bytes(), code, now);
        if (!step) continue;
        matched = {.credential = CredentialId::totp(subject.id, authenticator.id),
                   .code = Code::totp_step(value(*step)),
                   .expiry = now + spent_row_kept,
                   .period = parameters.period,
                   .method = Methods::totp};
    }
    return matched;
}

std::optional<SignInMachine::MatchedCode> match_recovery_code(const Subject& subject,
                                                              std::string_view typed,
                                                              sealing::KeyView key,
                                                              UnixTime now) {
    const auto code = parse_recovery_code(typed);
    if (!code || subject.user.recovery_version == 0) return std::nullopt;
    const auto digest = recovery_code_digest(code->bytes(), key);
    std::optional<SignInMachine::MatchedCode> matched;
    for (const auto& known : subject.user.recovery_codes) {
        if (!sealing::constant_time_equal(known.bytes, digest.bytes)) continue;
        matched = {.credential = CredentialId::recovery(subject.id, subject.user.recovery_version),
                   .code = Code::with_id(CodeKind::recovery_code, known.bytes),
                   .expiry = now + std::chrono::duration_cast<milliseconds>(recovery_code_life),
                   .method = Methods::recovery_code};
    }
    return matched;
}

}  // namespace

std::optional<attempts::CredentialId> code_credential(const Subject& subject) {
    const auto& authenticators = subject.user.authenticators;
    const auto oldest = std::ranges::find_if(authenticators, &records::Authenticator::confirmed);
    if (oldest == authenticators.end()) return std::nullopt;
    return CredentialId::totp(subject.id, oldest->id);
}

SignInMachine::SignInMachine(SignIn attempt, SignInGround& ground, Purpose purpose)
    : attempt_(std::move(attempt)), ground_(ground), purpose_(purpose) {}

SignInMachine::Need SignInMachine::next(UnixTime now) {
    switch (phase_) {
        case Phase::look_up:
            return attempt_.challenge.empty() ? look_up(now) : look_up_challenge(now);
        case Phase::admit: {
            const auto hash = sealing::parse_password_hash(phc_);
            return Admit{hash ? sealing::memory_of(*hash)
                              : sealing::memory_of(policy_cost(ground_.settings()))};
        }
        case Phase::hash:
            return Hash{};
        case Phase::judge_password:
            return judge_password(now);
        case Phase::judge_code:
            return judge_code(now);
        case Phase::reserve_code:
            return Reserve{.credential = *code_credential(subject_), .of_codes = true};
        case Phase::release:
            return give_back();
        case Phase::write_failure:
        case Phase::write_success:
        case Phase::done:
            break;
    }
    if (failure_) return Done{*failure_};
    return Done{std::move(result_)};
}

SignInMachine::Need SignInMachine::look_up(UnixTime) {
    password_ = comparable(std::move(attempt_.password));
    auto login = normalise_login(attempt_.login);
    const std::string name =
        login ? *std::move(login) : "\n" + attempt_.login.substr(0, login_input_limit);
    auto found = ground_.find(name);
    if (!found) return finish(found.error());
    subject_ = std::move(*found);
    if (!subject_.held) return finish(Verdict::not_held_here);
    const bool has_password = subject_.known && !subject_.user.password_hash.empty();
    phc_ = has_password ? subject_.user.password_hash : dummy_hash(ground_.settings());
    if (!sealing::parse_password_hash(phc_)) {
        ground_.tell_bad_hash(subject_.id);
        phc_ = dummy_hash(ground_.settings());
    }
    const auto version = std::max(subject_.user.password_version, PasswordVersion{1});
    password_credential_ = CredentialId::password(subject_.id, version);
    return Reserve{.credential = *password_credential_, .of_codes = false};
}

SignInMachine::Need SignInMachine::look_up_challenge(UnixTime now) {
    auto challenge = ground_.open_challenge(attempt_.challenge, now);
    if (!challenge) {
        return challenge.error() == errc::not_held ? finish(Verdict::not_held_here)
                                                   : finish(Verdict::refused);
    }
    auto found = ground_.find(challenge->user);
    if (!found) return finish(found.error());
    subject_ = std::move(*found);
    if (!subject_.held) return finish(Verdict::not_held_here);
    if (!subject_.known || subject_.user.password_version != challenge->password_version) {
        return finish(Verdict::refused);
    }
    challenge_ = std::move(*challenge);
    result_.user = subject_.id;
    result_.methods = Methods::password;
    if (subject_.user.disabled) return finish(Verdict::disabled);
    if (!code_credential(subject_))
        return finish(Verdict::refused);  // its last authenticator was removed
    password_credential_ = CredentialId::password(subject_.id, subject_.user.password_version);
    if (attempt_.code.empty()) {
        result_.challenge = attempt_.challenge;
        return finish(Verdict::code_required);
    }
    phase_ = Phase::reserve_code;
    return next(now);
}

void SignInMachine::reserved(Result<std::variant<attempts::Reservation, attempts::Locked>> answer) {
    const bool of_codes = phase_ == Phase::reserve_code;
    if (!answer) {
        failure_ = answer.error();
        phase_ = Phase::done;
    } else if (auto* locked = std::get_if<attempts::Locked>(&*answer)) {
        result_.verdict = Verdict::locked;
        result_.retry_after = locked->retry_after;
        phase_ = Phase::done;
    } else {
        reservation_ = std::move(std::get<attempts::Reservation>(*answer));
        credential_ = of_codes ? *code_credential(subject_) : *password_credential_;
        phase_ = of_codes ? Phase::judge_code : Phase::admit;
    }
}

void SignInMachine::admitted(Result<void> answer) {
    if (answer) {
        phase_ = Phase::hash;
    } else {
        failure_ = answer.error();
        phase_ = Phase::release;
    }
}

void SignInMachine::hash() {
    matches_ = sealing::verify_password(phc_, password_);
}

SignInMachine::Need SignInMachine::judge_password(UnixTime now) {
    if (!matches_) return finish(matches_.error());
    const bool is_right = *matches_ && subject_.known && !subject_.user.password_hash.empty();
    return is_right ? password_matched(now) : password_failed();
}

SignInMachine::Need SignInMachine::password_failed() {
    result_.verdict = Verdict::refused;
    if (ground_.recall(*credential_, attempt_.source, password_)) return finish(Verdict::refused);
    phase_ = Phase::write_failure;
    return Write{[credential = *credential_](attempts::Journal& journal) {
        return journal.count_failure(credential);
    }};
}

SignInMachine::Need SignInMachine::password_matched(UnixTime now) {
    result_.user = subject_.id;
    result_.methods = Methods::password;
    if (subject_.user.disabled && !is_planted(Mutant::disabled_signs_in)) {
        return finish(Verdict::disabled);
    }
    if (const auto hash = sealing::parse_password_hash(subject_.user.password_hash)) {
        result_.new_hash_wanted = sealing::weaker_than(*hash, policy_cost(ground_.settings()));
    }
    const bool code_follows = purpose_ == Purpose::sign_in && code_credential(subject_);
    if (code_follows && !attempt_.code.empty()) {
        phase_ = Phase::reserve_code;  // the rows of both factors are written together
        return Release{.reservation = *std::exchange(reservation_, std::nullopt),
                       .credential = *credential_,
                       .wants_tries_left = false};
    }
    result_.verdict = code_follows ? Verdict::code_required : Verdict::accepted;
    if (code_follows) {
        auto challenge = ground_.seal_challenge(subject_, now);
        if (!challenge) return finish(challenge.error());
        result_.challenge = *std::move(challenge);
    }
    const auto clears = ground_.has_failures(*credential_);
    if (!clears) return finish(clears.error());
    if (!*clears || is_planted(Mutant::keep_failures)) return finish(result_.verdict);
    phase_ = Phase::write_success;
    return Write{[credential = *credential_](attempts::Journal& journal) {
        const auto done = journal.record_success(credential);
        return done ? Result<void>() : done.error();
    }};
}

SignInMachine::Need SignInMachine::judge_code(UnixTime now) {
    if (!ground_.can_judge_codes()) {
        return finish(Error(errc::clock_behind, "set this machine's clock, then try again"));
    }
    auto matched = match_totp(subject_, attempt_.code, now);
    const auto recovery = match_recovery_code(subject_, attempt_.code, ground_.recovery_key(), now);
    const auto since = ground_.recovery_codes_since();
    const bool set_is_good = !since || subject_.user.recovery_made > *since;
    if (!matched && set_is_good) matched = recovery;
    if (matched) result_.methods = Methods::password | matched->method;
    phase_ = Phase::write_success;
    return Write{[this, matched, now, codes = *credential_](attempts::Journal& journal) {
        return write_code(journal, matched, codes, now);
    }};
}

/// Everything that can fail comes first, so that no half is left in the group's journal.
Result<void> SignInMachine::write_code(attempts::Journal& journal,
                                       const std::optional<MatchedCode>& matched,
                                       const CredentialId& codes,
                                       UnixTime now) {
    code_accepted_ = false;
    for (const auto& credential : {*password_credential_, codes}) {
        if (auto read = journal.tallies(credential); !read) return read.error();
    }
    std::optional<Code> once;
    if (challenge_) once = Code::with_id(CodeKind::challenge, challenge_->id.bytes);
    bool is_free = matched.has_value();
    if (is_free && once) {
        const auto free = journal.is_free(
            *password_credential_, *once, ground_.steps(std::chrono::seconds{30}, now));
        if (!free) return free.error();
        is_free = *free;
    }
    if (is_free) {
        const auto free = journal.is_free(
            matched->credential, matched->code, ground_.steps(matched->period, now));
        if (!free) return free.error();
        is_free = *free;
    }
    // Spent together or not at all: an old code does not use up the challenge, nor the other way.
    if (is_free) {
        if (once) {
            journal.mark_spent(*password_credential_, *once, challenge_->expires + spent_row_kept);
        }
        journal.mark_spent(matched->credential, matched->code, matched->expiry);
    }
    if (auto done = journal.record_success(*password_credential_); !done) return done.error();
    code_accepted_ = is_free;
    if (!is_free) return journal.count_failure(codes);
    if (auto done = journal.record_success(codes); !done) return done.error();
    return {};
}

void SignInMachine::written(Result<LogSeq> answer) {
    if (!answer) {
        failure_ = answer.error();
    } else if (phase_ == Phase::write_failure) {
        ground_.remember(*credential_, attempt_.source, password_);
    } else if (*credential_ != *password_credential_) {
        result_.verdict = code_accepted_ ? Verdict::accepted : Verdict::refused;
        if (!code_accepted_) result_.methods = Methods::password;
    }
    phase_ = Phase::release;
}

SignInMachine::Release SignInMachine::give_back() {
    return Release{.reservation = *std::exchange(reservation_, std::nullopt),
                   .credential = *credential_,
                   .wants_tries_left = !failure_ && result_.verdict == Verdict::refused};
}

void SignInMachine::released(std::optional<std::uint32_t> tries_left) {
    if (phase_ == Phase::reserve_code) return;
    if (result_.verdict == Verdict::refused) result_.tries_left = tries_left;
    phase_ = Phase::done;
}

std::optional<SignInMachine::Release> SignInMachine::abandon() {
    if (!reservation_) return std::nullopt;
    return give_back();
}

SignInMachine::Need SignInMachine::finish(Verdict verdict) {
    result_.verdict = verdict;
    phase_ = reservation_ ? Phase::release : Phase::done;
    return reservation_ ? Need{give_back()} : Need{Done{std::move(result_)}};
}

SignInMachine::Need SignInMachine::finish(Error error) {
    failure_ = std::move(error);
    phase_ = reservation_ ? Phase::release : Phase::done;
    return reservation_ ? Need{give_back()} : Need{Done{*failure_}};
}

}  // namespace countersign::accounts
