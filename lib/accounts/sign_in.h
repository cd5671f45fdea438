#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "countersign/authentication.h"

#include "accounts/challenge.h"
#include "attempts/journal.h"
#include "attempts/reservations.h"
#include "records/pool_settings.h"
#include "records/user.h"

namespace countersign::accounts {

/// Whom an attempt is about: a user's opened record, or what stands in for one.
struct Subject {
    UserId id;  ///< of a pseudo user where the name is unknown
    bool known = false;
    bool held = true;  ///< false: there is such a user, whose realm this node cannot open
    RealmId realm{};
    LogSeq seq{};        ///< the batch that last wrote the record
    records::User user;  ///< empty unless known
};

/// What failed codes count against, whichever authenticator they were meant for: the oldest that is
/// confirmed. None: no code is wanted of this user.
std::optional<attempts::CredentialId> code_credential(const Subject& subject);

/// What an attempt may ask the store without waiting. Calls come from the thread that steps it.
class SignInGround {
  public:
    virtual ~SignInGround() = default;
    /// `name` is normalised, or no login at all and so nobody's. Errors: errc::corrupt,
    /// errc::io_error, errc::outcome_unknown.
    virtual Result<Subject> find(const std::string& name) = 0;
    virtual Result<Subject> find(UserId user) = 0;
    virtual const records::PoolSettings& settings() const = 0;
    /// Whether a success would clear anything of this credential, or a restored directory has yet
    /// to note one: if not, nothing is written.
    virtual Result<bool> has_failures(const attempts::CredentialId& credential) = 0;
    virtual bool recall(const attempts::CredentialId& credential,
                        const std::string& source,
                        const Secret& password) = 0;
    virtual void remember(const attempts::CredentialId& credential,
                          const std::string& source,
                          const Secret& password) = 0;
    virtual Result<std::string> seal_challenge(const Subject& subject, UnixTime now) = 0;
    /// A challenge that is whole, in time and of a member.
    virtual Result<Challenge> open_challenge(std::string_view text, UnixTime now) = 0;
    virtual attempts::StepView steps(std::chrono::seconds period, UnixTime now) = 0;
    /// False while the clock is too far behind for a code to be judged.
    virtual bool can_judge_codes() = 0;
    virtual sealing::KeyView recovery_key() const = 0;
    /// Sets of recovery codes made at or before this are refused, because a restored directory may
    /// have forgotten which were spent; none: all are taken.
    virtual std::optional<UnixTime> recovery_codes_since() const = 0;
    /// Someone's hash string asks for more than the caps allow.
    virtual void tell_bad_hash(UserId user) = 0;
};

/// One attempt to sign in, from the login to the verdict, as lib/README.md, "An attempt", tells it:
/// a step machine. It says what it needs next; who drives it does that, waiting or not, and tells
/// it. Owns no clock, thread or handle. Every need must be answered before the machine goes.
class SignInMachine {
  public:
    /// The right to verify one guess: answer with `reserved`.
    struct Reserve {
        attempts::CredentialId credential;
        bool of_codes = false;
    };
    /// A place for a hash of this many bytes: answer with `admitted`.
    struct Admit {
        std::size_t bytes = 0;
    };
    /// Run `hash()` where it may block, give the memory back, then call `hashed`.
    struct Hash {};
    /// Rows to be durable before the answer: answer with `written`.
    struct Write {
        std::function<Result<void>(attempts::Journal&)> rows;
    };
    /// Give the reservation back, its outcome counted: answer with `released`.
    struct Release {
        attempts::Reservation reservation;
        attempts::CredentialId credential;
        bool wants_tries_left = false;
    };
    /// Nothing more is needed. What only the store knows (node, position, age) is still to be
    /// added.
    struct Done {
        Result<SignInResult> result;
    };
    using Need = std::variant<Reserve, Admit, Hash, Write, Release, Done>;

    enum class Purpose {
        sign_in,
        prove_password,  ///< the password alone, before its owner changes it
    };

    SignInMachine(SignIn attempt, SignInGround& ground, Purpose purpose = Purpose::sign_in);

    /// What is needed next; to be called again after each answer.
    Need next(UnixTime now);

    void reserved(Result<std::variant<attempts::Reservation, attempts::Locked>> answer);
    void admitted(Result<void> answer);
    void hash();
    void hashed() { phase_ = Phase::judge_password; }
    void written(Result<LogSeq> answer);
    /// How many tries the throttle leaves, as known after the outcome was counted, where that was
    /// wanted.
    void released(std::optional<std::uint32_t> tries_left);

    /// A right code: what it spends, and how long that must be remembered.
    struct MatchedCode {
        attempts::CredentialId credential;
        attempts::Code code;
        UnixTime expiry;
        std::chrono::seconds period{30};
        Methods method = Methods::totp;
    };

    const SignIn& attempt() const noexcept { return attempt_; }
    const Subject& subject() const noexcept { return subject_; }
    /// The attempt goes no further: what is to be given back.
    std::optional<Release> abandon();
    /// In its normal form, where it has one.
    const Secret& password() const noexcept { return password_; }

  private:
    enum class Phase {
        look_up,
        admit,
        hash,
        judge_password,
        write_failure,
        write_success,
        reserve_code,
        judge_code,
        release,
        done,
    };

    Need look_up(UnixTime now);
    Need look_up_challenge(UnixTime now);
    Need judge_password(UnixTime now);
    Need password_failed();
    Need password_matched(UnixTime now);
    Need judge_code(UnixTime now);
    Result<void> write_code(attempts::Journal& journal,
                            const std::optional<MatchedCode>& matched,
                            const attempts::CredentialId& codes,
                            UnixTime now);
    Need finish(Verdict verdict);
    Need finish(Error error);
    Release give_back();

    SignIn attempt_;
    SignInGround& ground_;
    const Purpose purpose_;
    Phase phase_ = Phase::look_up;
    Secret password_;  ///< normalised, or as typed where it cannot be
    Subject subject_;
    std::optional<attempts::CredentialId> credential_;  ///< the password's, then the codes'
    std::optional<attempts::CredentialId> password_credential_;
    std::optional<attempts::Reservation> reservation_;
    std::optional<Challenge> challenge_;
    std::string phc_;
    Result<bool> matches_ = false;
    bool code_accepted_ = false;
    std::optional<Error> failure_;
    SignInResult result_;
};

}  // namespace countersign::accounts
