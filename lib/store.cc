#include "countersign/store.h"

#include <utility>

#include "hall.h"
#include "hall_replication.h"

namespace countersign {

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
    return hall_->noticing(hall_->create_user(std::move(user)));
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
    return hall_->noticing(hall_->change_user(id, std::move(changes)));
}
Result<LogSeq> Users::set_password(UserId id, Secret password) {
    return hall_->noticing(hall_->set_password(id, std::move(password)));
}
Result<LogSeq> Users::change_password(UserId id, const Secret& current, Secret password) {
    return hall_->noticing(hall_->change_password(id, current, std::move(password)));
}
Result<LogSeq> Users::erase(UserId id) {
    return hall_->noticing(hall_->erase_user(id));
}
Result<TotpEnrolment> Users::enrol_totp(UserId id, TotpOptions options) {
    return hall_->noticing(hall_->enrol_totp(id, options));
}
Result<LogSeq> Users::confirm_totp(UserId id, TotpId authenticator, std::string_view code) {
    return hall_->noticing(hall_->confirm_totp(id, authenticator, code));
}
Result<LogSeq> Users::remove_totp(UserId id, TotpId authenticator) {
    return hall_->noticing(hall_->remove_totp(id, authenticator));
}
Result<std::vector<Secret>> Users::make_recovery_codes(UserId id) {
    return hall_->noticing(hall_->make_recovery_codes(id));
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
