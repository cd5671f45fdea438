#include <algorithm>
#include <utility>

#include "countersign/mutants.h"

#include "accounts/totp.h"
#include "attempts/members_word.h"
#include "attempts/unknown_names.h"
#include "hall_replication.h"
#include "hall_steps.h"
#include "pool_settings.h"
#include "records/codec.h"

namespace countersign {
namespace {

constexpr milliseconds challenge_life{std::chrono::minutes{5}};
constexpr milliseconds clock_tolerance{30'000};

}  // namespace

/// One attempt on its way: the machine, what it stands on, and where it goes on when it had to
/// wait.
class Hall::Attempt final : public accounts::SignInGround,
                            public std::enable_shared_from_this<Attempt> {
  public:
    using Handler = std::move_only_function<void(Result<SignInResult>)>;
    using Machine = accounts::SignInMachine;

    Attempt(Hall& hall, SignIn attempt, Machine::Purpose purpose)
        : hall_(hall),
          call_(hall),
          pool_(hall.view()),
          source_(attempts::source_key(attempt.source, *hall.source_key_)),
          deadline_(hall.deadline(attempt.patience)),
          machine_(std::move(attempt), *this, purpose) {}

    /// Goes through the whole attempt on this thread.
    Result<SignInResult> run() {
        for (;;) {
            auto need = machine_.next(hall_.judged_time());
            if (auto* done = std::get_if<Machine::Done>(&need)) return complete(std::move(*done));
            std::visit([&](auto& each) { wait_for(each); }, need);
        }
    }

    /// Goes through it in tasks of run_blocking, none of which waits for another.
    void run_on(Handler handler) {
        handler_ = std::move(handler);
        resume();
    }

    /// A task may have been dropped, as when the application ends: what it held goes back.
    ~Attempt() override {
        if (holds_memory_) hall_.gate_->release(admitted_, hall_.now().monotonic);
        if (auto held = machine_.abandon()) {
            hall_.gate_->release(std::move(held->reservation),
                                 standing_reader(held->credential),
                                 hall_.now().monotonic);
        }
    }

    const accounts::Subject& subject() const noexcept { return machine_.subject(); }

    // SignInGround
    Result<accounts::Subject> find(const std::string& name) override {
        if (auto sound = hall_.require_sound(); !sound) return sound.error();
        return hall_.find_subject(pool_, name);
    }
    Result<accounts::Subject> find(UserId user) override {
        if (auto sound = hall_.require_sound(); !sound) return sound.error();
        return hall_.find_subject(pool_, user);
    }
    const records::PoolSettings& settings() const override { return pool_->settings; }
    Result<bool> has_failures(const attempts::CredentialId& credential) override {
        const auto standing = hall_.read_standing(*pool_, credential);
        if (!standing) return standing.error();
        return standing->effective != 0 || standing->is_cut;
    }
    bool recall(const attempts::CredentialId& credential,
                const std::string& source,
                const Secret& password) override {
        const std::lock_guard guard(hall_.remembered_mutex_);
        return hall_.remembered_->recall(credential, source, password, hall_.now().monotonic);
    }
    void remember(const attempts::CredentialId& credential,
                  const std::string& source,
                  const Secret& password) override {
        const std::lock_guard guard(hall_.remembered_mutex_);
        hall_.remembered_->remember(credential, source, password, hall_.now().monotonic);
    }
    Result<std::string> seal_challenge(const accounts::Subject& subject, UnixTime now) override {
        auto entropy = hall_.entropy();
        accounts::Challenge challenge;
        challenge.id.bytes = entropy.take<16>();
        challenge.user = subject.id;
        challenge.realm = subject.realm;
        challenge.password_version = subject.user.password_version;
        challenge.issuer = hall_.identity_->node;
        challenge.expires = now + challenge_life;
        return accounts::seal_challenge(challenge,
                                        hall_.identity_->pool,
                                        pool_->sealer.keyring(),
                                        hall_.keys_->signing_key,
                                        entropy.nonce());
    }
    Result<accounts::Challenge> open_challenge(std::string_view text, UnixTime now) override {
        auto challenge =
            accounts::open_challenge(text, hall_.identity_->pool, pool_->sealer.keyring());
        if (!challenge) return challenge;
        const auto* issuer = membership::find(pool_->members, challenge->issuer);
        if (!issuer || !issuer->holds(challenge->realm)) return errc::not_a_member;
        const bool in_time =
            now < challenge->expires && challenge->expires <= now + 2 * challenge_life;
        const bool of_this_life =
            !hall_.incarnation().is_restored ||
            challenge->expires - challenge_life >= hall_.incarnation().started;
        if (!in_time || !of_this_life) return errc::timed_out;
        return challenge;
    }
    attempts::StepView steps(std::chrono::seconds period, UnixTime now) override {
        return hall_.step_view(period, now);
    }
    bool can_judge_codes() override { return hall_.clock_is_sound(); }
    sealing::KeyView recovery_key() const override { return hall_.recovery_key_->view(); }
    std::optional<UnixTime> recovery_codes_since() const override {
        if (!hall_.incarnation().is_restored) return std::nullopt;
        return hall_.incarnation().started;
    }
    void tell_bad_hash(UserId user) override {
        hall_.tell(Event::Kind::hash_above_caps, "user " + to_string(user));
    }

  private:
    attempts::Gate::ReadStanding standing_reader(const attempts::CredentialId& credential) {
        return [&hall = hall_, pool = pool_, credential] {
            return hall.read_standing(*pool, credential);
        };
    }

    void release(Machine::Release& need) {
        const auto read = standing_reader(need.credential);
        std::optional<std::uint32_t> left;
        if (need.wants_tries_left) {
            if (const auto standing = read()) {
                left = static_cast<std::uint32_t>(attempts::tries_left(*standing));
            }
        }
        hall_.gate_->release(std::move(need.reservation), read, hall_.now().monotonic);
        machine_.released(left);
    }

    /// The user may have been erased since the attempt began: then nothing is kept of it.
    std::function<Result<void>(attempts::Journal&)> rows_of(Machine::Write& need) {
        if (!machine_.subject().known) return std::move(need.rows);
        return [&hall = hall_, user = machine_.subject().id, rows = std::move(need.rows)](
                   attempts::Journal& journal) -> Result<void> {
            const auto stored = hall.writing_->ledger.reader.get(records::name_of(user));
            if (!stored) return stored.error();
            if (!*stored) return Error(errc::not_found, "the user was erased meanwhile");
            return rows(journal);
        };
    }

    void written(Result<LogSeq> outcome) {
        if (!outcome) {
            hall_.tell(Event::Kind::attempt_refused,
                       is_planted(Mutant::login_in_event) ? subject().user.login
                                                          : outcome.error().message());
        }
        machine_.written(std::move(outcome));
    }

    void hash() {
        machine_.hash();
        holds_memory_ = false;
        hall_.gate_->release(admitted_, hall_.now().monotonic);
        machine_.hashed();
    }

    Result<SignInResult> complete(Machine::Done done) {
        if (!done.result) return hall_.noticing(std::move(done.result));
        SignInResult result = *std::move(done.result);
        result.node = hall_.identity_->node;
        hall_.add_position(result);
        if (result.verdict == Verdict::accepted && result.new_hash_wanted &&
            pool_->is_primary(hall_.identity_->node) && hall_.may_sign(*pool_)) {
            hall_.rehash(*pool_, machine_.subject(), machine_.password());
        }
        return result;
    }

    // On the caller's thread.
    void wait_for(Machine::Reserve& need) {
        machine_.reserved(hall_.gate_->wait_reserved(
            need.credential, deadline_, hall_.now().monotonic, standing_reader(need.credential)));
    }
    void wait_for(Machine::Admit& need) {
        admitted_ = need.bytes;
        auto answer =
            hall_.gate_->wait_admitted(source_, need.bytes, deadline_, hall_.now().monotonic);
        holds_memory_ = answer.has_value();
        machine_.admitted(std::move(answer));
    }
    void wait_for(Machine::Hash&) { hash(); }
    void wait_for(Machine::Write& need) {
        written(hall_.queue_.commit({.rows = rows_of(need), .execute = {}}));
    }
    void wait_for(Machine::Release& need) { release(need); }
    void wait_for(Machine::Done&) {}

    // Called back, on a thread that may block for a hash. Each returns whether the attempt can go
    // on at once.
    void go_on() {
        for (;;) {
            auto need = machine_.next(hall_.judged_time());
            if (auto* done = std::get_if<Machine::Done>(&need)) {
                handler_(complete(std::move(*done)));
                return;
            }
            if (!std::visit([&](auto& each) { return begin(each); }, need)) return;
        }
    }
    void resume() {
        hall_.run_blocking([self = shared_from_this()] { self->go_on(); });
    }
    bool begin(Machine::Reserve& need) {
        auto answer =
            hall_.gate_->reserve(need.credential,
                                 deadline_,
                                 hall_.now().monotonic,
                                 standing_reader(need.credential),
                                 [self = shared_from_this()](Result<attempts::Gate::Pass> pass) {
                                     self->machine_.reserved(std::move(pass));
                                     self->resume();
                                 });
        if (!answer) {
            machine_.reserved(answer.error());
        } else if (auto* reservation = std::get_if<attempts::Reservation>(&*answer)) {
            machine_.reserved(attempts::Gate::Pass(std::move(*reservation)));
        } else if (auto* locked = std::get_if<attempts::Locked>(&*answer)) {
            machine_.reserved(attempts::Gate::Pass(*locked));
        } else {
            return false;
        }
        return true;
    }
    bool begin(Machine::Admit& need) {
        admitted_ = need.bytes;
        const auto queued = hall_.gate_->admit(source_,
                                               need.bytes,
                                               deadline_,
                                               hall_.now().monotonic,
                                               [self = shared_from_this()](Result<void> answer) {
                                                   self->holds_memory_ = answer.has_value();
                                                   self->machine_.admitted(std::move(answer));
                                                   self->resume();
                                               });
        if (queued && *queued) return false;
        holds_memory_ = queued.has_value();
        machine_.admitted(queued ? Result<void>() : Result<void>(queued.error()));
        return true;
    }
    bool begin(Machine::Hash&) {
        hash();
        return true;
    }
    bool begin(Machine::Write& need) {
        bool early = is_planted(Mutant::answer_before_durable);
        if (early) written(LogSeq{});
        hall_.queue_.commit_async(
            {.rows = rows_of(need), .execute = {}},
            [&hall = hall_](std::function<void()> task) { hall.run_blocking(std::move(task)); },
            [self = shared_from_this(), early](Result<LogSeq> outcome) {
                if (early) return;
                self->written(std::move(outcome));
                self->resume();
            });
        return early;
    }
    bool begin(Machine::Release& need) {
        release(need);
        return true;
    }
    bool begin(Machine::Done&) { return true; }

    Hall& hall_;
    const Call call_;
    std::shared_ptr<const PoolView> pool_;
    const attempts::SourceKey source_;
    const Instant deadline_;
    Machine machine_;
    std::size_t admitted_ = 0;
    bool holds_memory_ = false;
    Handler handler_;
};

Result<SignInResult> Hall::authenticate(SignIn attempt) {
    if (auto member = require_member(); !member) return member.error();
    return Attempt(*this, std::move(attempt), accounts::SignInMachine::Purpose::sign_in).run();
}

void Hall::authenticate(SignIn attempt,
                        std::move_only_function<void(Result<SignInResult>)> handler) {
    if (!options_.run_blocking) return handler(authenticate(std::move(attempt)));
    if (auto member = require_member(); !member) return handler(member.error());
    const auto running = std::make_shared<Attempt>(
        *this, std::move(attempt), accounts::SignInMachine::Purpose::sign_in);
    running->run_on(std::move(handler));
}

void Hall::change_password(Caller<LogSeq> caller, UserId id, Secret current, Secret password) {
    if (const auto pool = writable(caller.may_wait()); !pool) return caller.answer(pool.error());
    const auto user = get_user(id);
    if (!user) return caller.answer(user.error());
    SignIn proof;
    proof.login = user->login;
    proof.password = std::move(current);
    const auto attempt = std::make_shared<Attempt>(
        *this, std::move(proof), accounts::SignInMachine::Purpose::prove_password);
    const bool may_wait = caller.may_wait();
    auto proved = [this,
                   id,
                   password = std::move(password),
                   caller = std::move(caller),
                   &subject = attempt->subject()](const Result<SignInResult>& result) mutable {
        if (!result) return caller.answer(result.error());
        if (result->verdict != Verdict::accepted) {
            return caller.answer(
                Error(errc::not_permitted, "the current password was not accepted"));
        }
        replace_password(std::move(caller), id, password, subject.user.password_version);
    };
    if (may_wait) return proved(attempt->run());
    attempt->run_on(std::move(proved));
}

Result<accounts::Subject> Hall::find_subject(std::shared_ptr<const PoolView>& pool,
                                             const std::string& name) {
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    auto newest = current_view(**readers);
    if (!newest) return newest.error();
    pool = *std::move(newest);
    const auto ids = (*readers)->records.find(index_->handle(records::Scope::login, name),
                                              records::RecordKind::user);
    if (!ids) return ids.error();
    if (!ids->empty()) return open_subject(**readers, *pool, UserId{ids->front().bytes});
    accounts::Subject nobody;
    nobody.id = attempts::pseudo_user_id(name, *pseudonym_key_);
    return nobody;
}

Result<accounts::Subject> Hall::find_subject(std::shared_ptr<const PoolView>& pool, UserId user) {
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    auto newest = current_view(**readers);
    if (!newest) return newest.error();
    pool = *std::move(newest);
    return open_subject(**readers, *pool, user);
}

std::optional<RealmId> Hall::realm_of(records::Reader& reader, const UserId& user) {
    const auto stored = reader.get(records::name_of(user));
    if (!stored || !*stored) return std::nullopt;
    const auto header = records::SealHeader::parse((*stored)->sealed);
    return header ? std::optional(header->realm) : std::nullopt;
}

Result<attempts::Standing> Hall::read_standing(const PoolView& pool,
                                               const attempts::CredentialId& credential) {
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    const auto rows = sightings_->read((*readers)->attempts, credential, now().monotonic);
    if (!rows) return rows.error();
    const attempts::MembersWord word(
        pool.members, [&](const UserId& user) { return realm_of((*readers)->records, user); });
    const bool of_codes = credential.kind() != attempts::CredentialKind::password;
    const auto policy =
        to_policy(of_codes ? pool.settings.code_throttle : pool.settings.password_throttle);
    attempts::Share share{.granted = pool.settings.guess_budget};
    if (incarnation().is_restored) {
        if (auto read = read_renewal(**readers, pool, credential, share); !read) {
            return read.error();
        }
    }
    return attempts::standing_of(identity_->node, *rows, word, policy, share);
}

/// How far a restored directory has come since: see lockout's share of a restored incarnation.
Result<void> Hall::read_renewal(Readers& readers,
                                const PoolView& pool,
                                const attempts::CredentialId& credential,
                                attempts::Share& share) {
    share.is_restored = true;
    const auto author = readers.attempts.author();
    if (!author) return author.error();
    // The primary of a pool of one holds the only log there is: it has caught up with itself. With
    // other members, it has once it is known that none of them holds more than it does.
    const bool is_alone = pool.members.size() == 1 && pool.is_primary(identity_->node);
    share.has_caught_up = is_alone || confirmed_ || (*author && (*author)->is_confirmed);
    const auto is_renewed = readers.attempts.is_renewed(credential);
    if (!is_renewed) return is_renewed.error();
    share.has_renewed = *is_renewed;
    if (share.has_renewed || !share.has_caught_up) return {};
    const auto made = made_at(readers, pool, credential);
    if (!made) return made.error();
    share.has_renewed = *made && **made > incarnation().started;
    return {};
}

/// When the credential that a user's record names came to be; none for one that no record names.
Result<std::optional<UnixTime>> Hall::made_at(Readers& readers,
                                              const PoolView& pool,
                                              const attempts::CredentialId& credential) {
    const auto subject = open_subject(readers, pool, credential.user());
    if (!subject) return subject.error();
    if (!subject->known) return std::nullopt;
    const auto& user = subject->user;
    if (credential == attempts::CredentialId::password(
                          subject->id, std::max(user.password_version, PasswordVersion{1}))) {
        return user.password_changed;
    }
    for (const auto& each : user.authenticators) {
        if (credential == attempts::CredentialId::totp(subject->id, each.id)) return each.created;
    }
    return std::nullopt;
}

attempts::StepView Hall::step_view(std::chrono::seconds period, UnixTime time) const {
    const auto step = [&](UnixTime at) {
        return value(accounts::step_at(at, period).value_or(accounts::TotpStep{}));
    };
    attempts::StepView view{.node = identity_->node, .current = step(time)};
    // A restored directory may have forgotten what was spent: only steps begun since then are safe.
    const bool forgets = is_planted(Mutant::forget_spent);
    if (incarnation().is_restored && !forgets)
        view.first = step(incarnation().started - milliseconds{1}) + 1;
    return view;
}

void Hall::add_position(SignInResult& result) {
    auto readers = reader();
    const auto head = readers ? (*readers)->head.read() : Result<log::Head>(readers.error());
    if (!head) return;
    result.epoch = head->place.epoch;
    result.seq = head->place.seq;
    result.data_age = replication_->data_age(now());
}

void Hall::rehash(const PoolView& pool, const accounts::Subject& subject, const Secret& normal) {
    const auto time = now().monotonic;
    const std::size_t bytes = sealing::memory_of(hash_cost(pool.settings));
    // Without a free place the next success will do it.
    const auto queued = gate_->admit(
        own_source_, bytes, time + options_.deadline, time, [this, bytes](Result<void> place) {
            if (place) gate_->release(bytes, now().monotonic);  // came while it was given up
        });
    if (!queued) return;
    if (*queued) {
        gate_->cancel(**queued, time);
        return;
    }
    std::array<std::byte, sealing::argon2_salt_size> salt;
    environment_->random(salt);
    auto hash = sealing::hash_password(normal, hash_cost(pool.settings), salt);
    gate_->release(bytes, now().monotonic);
    if (!hash) return;
    queue_.commit_async(
        {.rows = {},
         .execute = executing(commands::SetPassword{.id = subject.id,
                                                    .hash = *std::move(hash),
                                                    .expected = subject.user.password_version,
                                                    .rehash = true})},
        [this](std::function<void()> task) { run_blocking(std::move(task)); },
        [call = std::make_shared<const Call>(*this)](Result<LogSeq>) {});
}

UnixTime Hall::judged_time() const {
    return std::max(now().wall, time_floor_.load());
}

bool Hall::clock_is_near(UnixTime wall) const {
    return time_floor_.load() - wall <= clock_tolerance;
}

bool Hall::clock_is_sound() const {
    const bool sound = clock_is_near(now().wall);
    if (!sound) tell(Event::Kind::clock_behind, "codes are refused until the clock is set right");
    return sound;
}

}  // namespace countersign
