#include "countersign/store.h"

#include <utility>

#include "hall_replication.h"
#include "hall_steps.h"

namespace countersign {
namespace {

/// Calls what may have to wait, and waits on this thread.
template <class T, class... Parameters, class... Arguments>
Result<T> wait_for(Hall& hall,
                   void (Hall::*call)(Hall::Caller<T>, Parameters...),
                   Arguments... arguments) {
    Result<T> outcome = errc::cancelled;
    Hall::Caller<T> caller({hall, Hall::Steps::On::own_thread},
                           [&](Result<T> answer) { outcome = std::move(answer); });
    (hall.*call)(std::move(caller), std::move(arguments)...);
    return outcome;
}

/// Calls it in tasks.
template <class T, class... Parameters, class... Arguments>
void begin(Hall& hall,
           OutcomeHandler<T> handler,
           void (Hall::*call)(Hall::Caller<T>, Parameters...),
           Arguments... arguments) {
    const Hall::Steps steps(hall, Hall::Steps::On::tasks);
    steps.run([&hall,
               call,
               caller = Hall::Caller<T>(steps, std::move(handler)),
               ... arguments = std::move(arguments)]() mutable {
        (hall.*call)(std::move(caller), std::move(arguments)...);
    });
}

}  // namespace

Store::Store(std::unique_ptr<Hall> hall) : hall_(std::move(hall)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::create(Options options) {
    auto hall = Hall::create(std::move(options));
    if (!hall) return hall.error();
    return Store(std::move(*hall));
}

Result<Store> Store::open(Options options) {
    auto hall = Hall::open(std::move(options));
    if (!hall) return hall.error();
    return Store(std::move(*hall));
}

Result<Store> Store::join(Options options, const Secret& invitation) {
    auto hall = Hall::join(std::move(options), invitation);
    if (!hall) return hall.error();
    return Store(std::move(*hall));
}

Result<SignInResult> Store::authenticate(SignIn attempt) {
    return hall_->authenticate(std::move(attempt));
}

void Store::authenticate(SignIn attempt,
                         std::move_only_function<void(Result<SignInResult>)> handler) {
    hall_->authenticate(std::move(attempt), std::move(handler));
}

Users Store::users() {
    return Users(*hall_);
}
Lockout Store::lockout() {
    return Lockout(*hall_);
}
Log Store::log() {
    return Log(*hall_);
}
Nodes Store::nodes() {
    return Nodes(*hall_);
}
Links Store::links() {
    return Links(*hall_);
}
Stage Store::stage() const {
    return hall_->stage();
}
Result<Status> Store::status() {
    return hall_->status();
}
Instant Store::run_due() {
    return hall_->run_due();
}

Result<void> Store::confirm_primary() {
    return hall_->confirm_primary();
}

Result<void> Store::rewrap(std::shared_ptr<KeyProvider> provider) {
    return hall_->rewrap(std::move(provider));
}

Result<UserId> Users::create(NewUser user) {
    return wait_for(*hall_, &Hall::create_user, std::move(user));
}
void Users::create(NewUser user, OutcomeHandler<UserId> handler) {
    begin(*hall_, std::move(handler), &Hall::create_user, std::move(user));
}
std::vector<Result<UserId>> Users::create_many(std::vector<NewUser> users) {
    return hall_->create_users(std::move(users));
}
Result<User> Users::get(UserId id) {
    return hall_->noticing(hall_->get_user(id));
}
Result<User> Users::find(std::string_view login) {
    return hall_->noticing(hall_->find_user(login));
}
Result<std::vector<User>> Users::find_by_email(std::string_view email) {
    return hall_->noticing(hall_->find_users_by_email(email));
}
Result<UserPage> Users::list(const UserQuery& query) {
    return hall_->noticing(hall_->list_users(query));
}
Result<LogSeq> Users::change(UserId id, UserChanges changes) {
    return wait_for(*hall_, &Hall::change_user, id, std::move(changes));
}
void Users::change(UserId id, UserChanges changes, OutcomeHandler<LogSeq> handler) {
    begin(*hall_, std::move(handler), &Hall::change_user, id, std::move(changes));
}
Result<LogSeq> Users::set_password(UserId id, Secret password) {
    return wait_for(*hall_, &Hall::set_password, id, std::move(password));
}
void Users::set_password(UserId id, Secret password, OutcomeHandler<LogSeq> handler) {
    begin(*hall_, std::move(handler), &Hall::set_password, id, std::move(password));
}
Result<LogSeq> Users::change_password(UserId id, const Secret& current, Secret password) {
    return wait_for(*hall_, &Hall::change_password, id, current.clone(), std::move(password));
}
void Users::change_password(UserId id,
                            Secret current,
                            Secret password,
                            OutcomeHandler<LogSeq> handler) {
    begin(*hall_,
          std::move(handler),
          &Hall::change_password,
          id,
          std::move(current),
          std::move(password));
}
Result<LogSeq> Users::erase(UserId id) {
    return wait_for(*hall_, &Hall::erase_user, id);
}
void Users::erase(UserId id, OutcomeHandler<LogSeq> handler) {
    begin(*hall_, std::move(handler), &Hall::erase_user, id);
}
Result<TotpEnrolment> Users::enrol_totp(UserId id, TotpOptions options) {
    return wait_for(*hall_, &Hall::enrol_totp, id, std::move(options));
}
void Users::enrol_totp(UserId id, TotpOptions options, OutcomeHandler<TotpEnrolment> handler) {
    begin(*hall_, std::move(handler), &Hall::enrol_totp, id, std::move(options));
}
Result<LogSeq> Users::confirm_totp(UserId id, TotpId authenticator, std::string_view code) {
    return wait_for(*hall_, &Hall::confirm_totp, id, authenticator, std::string(code));
}
void Users::confirm_totp(UserId id,
                         TotpId authenticator,
                         std::string code,
                         OutcomeHandler<LogSeq> handler) {
    begin(*hall_, std::move(handler), &Hall::confirm_totp, id, authenticator, std::move(code));
}
Result<LogSeq> Users::remove_totp(UserId id, TotpId authenticator) {
    return wait_for(*hall_, &Hall::remove_totp, id, authenticator);
}
void Users::remove_totp(UserId id, TotpId authenticator, OutcomeHandler<LogSeq> handler) {
    begin(*hall_, std::move(handler), &Hall::remove_totp, id, authenticator);
}
Result<std::vector<Secret>> Users::make_recovery_codes(UserId id) {
    return wait_for(*hall_, &Hall::make_recovery_codes, id);
}
void Users::make_recovery_codes(UserId id, OutcomeHandler<std::vector<Secret>> handler) {
    begin(*hall_, std::move(handler), &Hall::make_recovery_codes, id);
}

Result<Secret> Nodes::invite(Invite invite) {
    return hall_->noticing(hall_->invite(std::move(invite)));
}
Result<std::vector<NodeInfo>> Nodes::list() {
    return hall_->noticing(hall_->list_nodes());
}
Result<LogSeq> Nodes::remove(NodeId node) {
    return hall_->noticing(hall_->remove_node(node));
}
Result<void> Nodes::rewrap_root(const std::string& file, KeyProvider& from, KeyProvider& to) {
    return hall_->rewrap_root(file, from, to);
}

Result<LockoutStatus> Lockout::show(UserId user) {
    return hall_->noticing(hall_->show_lockout(user));
}
Result<void> Lockout::clear(UserId user) {
    return hall_->noticing(hall_->clear_lockout(user));
}

Result<std::vector<BatchInfo>> Log::show(LogSeq first, std::size_t limit) {
    return hall_->show_log(first, limit);
}
Result<Log::Exact> Log::exact(LogSeq seq) {
    return hall_->exact_batch(seq);
}
Result<LogVerification> Log::verify() {
    return hall_->verify_log();
}
Result<Compaction> Log::compact() {
    return hall_->compact_log();
}

Result<std::unique_ptr<FileLock>> Links::serve() {
    return hall_->serve();
}
std::shared_ptr<LinkStore> Links::store() {
    return hall_->replication();
}
std::optional<Link::Invited> Links::invitation() {
    return hall_->replication()->invitation();
}
std::vector<Contact> Links::contacts() {
    return hall_->replication()->contacts();
}
void Links::on_change(std::function<void()> handler) {
    hall_->replication()->on_change(std::move(handler));
}
Result<void> Links::look() {
    return hall_->replication()->look();
}
void Links::show(std::span<const LinkStatus> links) {
    hall_->replication()->show(links);
}

}  // namespace countersign
