#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "countersign/simulation.h"
#include "countersign/swarm.h"

#include "simulation/model.h"
#include "simulation/site.h"
#include "simulation/swarm_plan.h"

namespace countersign::simulation {

/// One run of the swarm: the pool, those who use it, what goes wrong, and what must be true.
class SwarmRun {
  public:
    SwarmRun(std::uint64_t seed, SwarmPlan plan);
    SwarmReport run();

  private:
    /// What is known of one site besides what it is.
    struct Known {
        Site* site = nullptr;
        bool is_member = true;  // of the pool, with all that it stored still there
        bool is_clone = false;
        bool was_restored = false;
        bool has_rotted = false;          // a record of its, or of its backup's
        LogSeq head{};                    // as last seen
        LogSeq acked{};                   // the most that it has told the primary to hold
        std::optional<NodeId> leaving{};  // its removal failed, and may have happened
        std::map<std::pair<std::string, std::string>, Guesses> guesses;  // by login and password
        std::map<std::string, std::uint64_t> last_steps;  // of codes accepted, by login
        Backup backup;
        LogSeq backup_head{};
        Instant alone_since = Instant::max();  // nothing reaches it
    };

    // swarm_run: the course of a run.
    bool make_pool();
    void write_back(Site& site);
    void act();
    void leave_in_peace();
    bool ended() const { return !report_.violations.empty(); }
    void violate(std::string_view invariant, std::string what);
    void check(std::string_view invariant, bool holds, const std::function<std::string()>& what);
    void fire(Fault fault, std::uint64_t times = 1);
    Known& primary() { return known_.front(); }
    Known* some_site(const std::function<bool(const Known&)>& fits);
    Known* some_running_site();
    Known* some_replica(bool running);
    KnownUser* some_user();
    Site::Impl& inside(Known& known) { return *known.site->impl_; }
    Instant time() const { return simulation_.now().monotonic; }

    // swarm_users: what users and operators do.
    void use();
    enum class Way {
        waits,   ///< a call that returns when it is done
        begins,  ///< one with a handler: others go on meanwhile
    };
    void create_user(Way way);
    void take_login(const KnownUser& user, Way way);
    void set_password(KnownUser& user, Way way);
    void toggle_disabled(KnownUser& user, Way way);
    void enrol(KnownUser& user, Way way);
    void confirm(KnownUser& user, const TotpEnrolment& enrolment, Way way);
    void erase(KnownUser& user, Way way);
    void clear_lockout();
    void write_at_replica();
    void sign_in(Known& at,
                 KnownUser& user,
                 std::string password,
                 std::optional<std::uint64_t> step);
    void sign_in_somehow(Known& at);
    void sign_in_unknown(Known& at);
    std::string fresh_password();

    // swarm_writes: what is known of writes at the primary.
    using Call = std::function<Result<LogSeq>(Users)>;
    using Begin = std::function<void(Users, OutcomeHandler<LogSeq>)>;
    void write(KnownUser& user, UserChange change, Way way, const Call& call, const Begin& begin);
    void tell(KnownUser& user, std::uint64_t number, const Result<LogSeq>& outcome);
    void check_told(const KnownUser& user, LogSeq seq);
    Result<LogSeq> seq_of(const KnownUser& user);
    void settle_unsure();
    void settle(KnownUser& user, const Result<User>& found);
    void settle_leaving();
    void burst();
    void interrupt();
    /// Whether everyone has been told what came of a write, within that time.
    bool await_writes(milliseconds at_most);
    void note_overload(const Error& error);

    // swarm_answers: what a sign-in may have been answered.
    struct Attempt {
        std::string login;
        std::string password;
        std::optional<std::uint64_t> step;
        std::string totp_uri;  ///< of the authenticator that made the code
        Instant began{};
        LogSeq head{};
        /// Of the password that counted when it began; none: there was no such user.
        std::optional<std::pair<std::string, std::string>> key;
        std::uint64_t renewals = 0;
        std::uint64_t refused = 0;
        std::uint64_t in_flight = 0;
        Instant last_refused{};
        std::shared_ptr<const RowVector> vector;  ///< what the site held of rows when it began
        std::uint64_t known_refused = 0;          ///< at all sites, of which it held the rows
        Instant known_last{};                     ///< the last of those
    };
    void judge(std::size_t site, const Attempt& attempt, const Result<SignInResult>& result);
    void judge(Known& at,
               const Attempt& attempt,
               const SignInResult& result,
               std::span<const UserState* const> states,
               Guesses* guesses);
    void judge_refusal(Known& at, const Attempt& attempt, Guesses& guesses);
    void judge_success(Known& at, const Attempt& attempt, const SignInResult& result);
    bool may_fail(errc code) const;

    // swarm_rows: what sites know of each other's attempts.
    /// Rows of all sites say what their sites have answered: nobody lives another's life, or one
    /// that has been before.
    bool rows_can_be_judged() const;
    bool codes_can_be_judged() const;
    void note_known_elsewhere(Known& at, Attempt& attempt);
    void note_place(Known& at, Guesses& guesses);
    bool is_cleared_afar(const Known& at, const std::string& login) const;
    void clear_elsewhere(const Known& at, const std::string& login);
    bool is_being_tried(const std::string& login) const;
    std::uint64_t suspected(const Known& at, const std::string& login) const;
    void spread_guesses();
    void judge_spread(Known& at, const Attempt& attempt);
    void judge_use(Known& at, const Attempt& attempt);
    void check_rows();
    void check_double_uses();
    bool clocks_move() const;

    // swarm_faults: what goes wrong.
    void do_fault();
    void fail_site(Fault fault, Known& known);
    void fail_machine(Fault fault, Known& known);
    void fail_disk(Fault fault, Known& known);
    void go_back(Fault fault);
    void fail_network(Fault fault);
    void heal();
    void move_clock(Fault fault);
    void do_load(Fault fault);
    void guess(std::size_t site, KnownUser* user, int times);
    void guess_in_parallel(Known& known);
    std::vector<SharedBatch> news_for(Known& known, KnownUser& user, int batches);
    void tamper();
    void misorder();
    void restore_primary();
    void lose_member(Fault fault);
    void start_clone();

    // swarm_fork
    void fork_primary();
    bool write_branch(std::span<Known* const> hearing, std::span<Known* const> deaf);
    /// Unless it is no member any more.
    void start(Site& site);
    void start_later(Known& known);
    /// Its directory is of an earlier moment.
    void forget_guesses(Known& known, bool is_noticed);
    void after(Instant::duration wait, std::function<void()> task);
    void count_network_faults();

    // swarm_checks: what must hold.
    void check_heads();
    void check_acks();
    void check_removed();
    void check_newcomers();
    void check_counts(Known& known);
    void check_age(Known& known);
    void check_caps(Known& known);
    void check_writes_end();
    void check_agreement();
    void check_users(Known& known);
    void check_logs();
    void check_canaries();
    void check_nonces();
    void check_erasure();

    const SwarmPlan plan_;
    Draw draw_;
    Simulation simulation_;
    SwarmReport report_;
    std::vector<Known> known_;  // the primary first
    std::vector<std::unique_ptr<KnownUser>> users_;
    std::map<LogSeq, BatchHash> branch_;
    std::map<LogSeq, Instant> first_seen_;  // of those
    std::map<LogSeq, std::string> digests_;
    std::vector<std::pair<UserId, LogSeq>> erased_;
    std::map<std::string, std::set<std::size_t>> cleared_by_;                     // by login: where
    std::map<std::pair<std::string, std::uint64_t>, std::vector<CodeUse>> uses_;  // URI, step
    std::string canary_;
    bool canary_heard_ = false;
    std::uint64_t passwords_ = 0;
    std::uint64_t changes_ = 0;
    std::uint64_t sources_ = 0;  // one each: a repeated wrong password would not count
    std::uint64_t sites_made_ = 0;
    bool in_peace_ = false;
};

}  // namespace countersign::simulation
