#include "support/fake_link_store.h"

#include <algorithm>
#include <utility>

#include <sodium.h>

namespace countersign::testing {
namespace {

const NodeId root_signer = [] {
    NodeId id;
    id.bytes.fill(std::byte{0xaa});
    return id;
}();

}  // namespace

FakeLinkStore::FakeLinkStore(std::uint64_t seed, std::string node_name)
    : name(std::move(node_name)), random_(seed) {
    random(node.bytes);
    const Bytes private_key = random_bytes(32);
    channel_private_key_ = std::make_shared<Secret>(private_key);
    crypto_scalarmult_base(reinterpret_cast<unsigned char*>(channel_key_.bytes.data()),
                           reinterpret_cast<const unsigned char*>(private_key.data()));
}

Bytes FakeLinkStore::random_bytes(std::size_t size) {
    Bytes bytes(size);
    random(bytes);
    return bytes;
}

std::optional<Error> FakeLinkStore::faulty(const char* call) {
    return fault ? fault(call) : std::nullopt;
}

// What a primary does.

void FakeLinkStore::found_pool() {
    random(pool.bytes);
    psk_ = Secret(random_bytes(32));
    const DesignationKey key{RootTerm{1}, Epoch{1}, node};
    Cursor statement;
    statement.put(value(key.root_term));
    statement.put(value(key.epoch));
    statement.put(key.node.bytes);
    designations_[key] = {statement.bytes, fake_signature(root_signer, statement.bytes)};
    put_member(node, channel_key_, name, Capability::all);
}

std::shared_ptr<FakeLinkStore> FakeLinkStore::clone() const {
    auto copy = std::make_shared<FakeLinkStore>(4711, name);
    copy->restore_from(*this);
    copy->node = node;
    copy->incarnation = incarnation;
    copy->link_counter = link_counter;
    copy->attempts_ = attempts_;
    copy->row_vector_ = row_vector_;
    copy->channel_key_ = channel_key_;
    copy->channel_private_key_ = channel_private_key_;
    return copy;
}

void FakeLinkStore::restore_from(const FakeLinkStore& primary) {
    pool = primary.pool;
    psk_ = primary.psk_.clone();
    head_ = primary.head_;
    rows_ = primary.rows_;
    log_ = primary.log_;
    designations_ = primary.designations_;
    peers_ = primary.peers_;
    removals_ = primary.removals_;
}

void FakeLinkStore::forget_log() {
    head_ = {};
    rows_.clear();
    log_.clear();
    designations_.clear();
    peers_.clear();
}

void FakeLinkStore::commit_changes(const std::vector<Change>& changes) {
    const LogSeq seq = next(head_.seq);
    for (const auto& change : changes) {
        if (change.put) {
            rows_[change.key] = {seq, change.put->sealed, change.put->handles};
        } else {
            rows_.erase(change.key);
        }
    }
    Cursor bytes;
    bytes.put(head_.hash.bytes);
    bytes.put(digest_of(rows_).bytes);
    bytes.put(static_cast<std::uint32_t>(changes.size()));
    for (const auto& change : changes) {
        bytes.put(change.key.kind);
        bytes.put(change.key.id.bytes);
        bytes.put(static_cast<std::uint8_t>(change.put ? 1 : 0));
        if (!change.put) continue;
        bytes.put_sized(change.put->sealed);
        bytes.put_sized(change.put->handles);
    }
    const auto batch = std::make_shared<BatchEnvelope>(
        BatchEnvelope{.root_term = RootTerm{1},
                      .epoch = Epoch{1},
                      .node = node,
                      .seq = seq,
                      .signature = fake_signature(node, bytes.bytes),
                      .bytes = bytes.bytes});
    log_.push_back(batch);
    head_ = head_of(*batch);
    learn_members(seq);
    ++writes;
}

void FakeLinkStore::commit(std::size_t puts, std::size_t size, std::size_t erases) {
    std::vector<Change> changes;
    for (std::size_t i = 0; i < puts; ++i) {
        RecordKey key{user_kind, {}};
        random(key.id.bytes);
        changes.push_back({key, Row{{}, random_bytes(size), random_bytes(16)}});
    }
    for (auto& [key, row] : rows_) {
        if (erases == 0) break;
        if (key.kind != user_kind || random_() % 3 != 0) continue;
        // Half of them change instead of going.
        changes.push_back({key, random_() % 2 ? std::nullopt : std::optional(row)});
        if (changes.back().put) changes.back().put->sealed = random_bytes(size);
        --erases;
    }
    commit_changes(changes);
}

void FakeLinkStore::put_member(const NodeId& node_id,
                               const ChannelPublicKey& key,
                               const std::string& node_name,
                               Capability may) {
    Cursor sealed;
    sealed.put(node_id.bytes);
    sealed.put(key.bytes);
    sealed.put(static_cast<std::uint32_t>(may));
    sealed.put_sized(std::as_bytes(std::span(node_name)));
    commit_changes({{member_key(node_id), Row{{}, sealed.bytes, {}}}});
}

void FakeLinkStore::add_member(FakeLinkStore& other, Capability may) {
    other.pool = pool;
    other.psk_ = psk_.clone();
    put_member(other.node, other.channel_key_, other.name, may);
}

void FakeLinkStore::remove_member(const NodeId& node_id) {
    commit_changes({{member_key(node_id), std::nullopt}});
}

Link::Invited FakeLinkStore::invite(FakeLinkStore& joiner) {
    auto invitation = std::make_shared<Invitation>();
    random(invitation->id.bytes);
    random(invitation->signer.bytes);
    invitation->psk = Secret(random_bytes(32));
    invitations_.push_back(invitation);
    Link::Invited string{{.invitation = invitation->id, .admission = {}, .addresses = {}},
                         invitation->psk.clone()};
    return invited_with(string, joiner);
}

Link::Invited FakeLinkStore::invited_with(const Link::Invited& string, FakeLinkStore& joiner) {
    joiner.pool = pool;
    const auto found = std::ranges::find_if(
        invitations_, [&](const auto& each) { return each->id == string.request.invitation; });
    Cursor admission;
    admission.put(joiner.node.bytes);
    admission.put(joiner.channel_key_.bytes);
    return {{.invitation = string.request.invitation,
             .admission = {admission.bytes, fake_signature((*found)->signer, admission.bytes)},
             .addresses = {joiner.name + ".example:7700"}},
            string.psk.clone()};
}

void FakeLinkStore::expire_invitations() {
    for (auto& invitation : invitations_) invitation->expired = true;
}

void FakeLinkStore::trim(LogSeq seq) {
    for (const auto& [peer, from] : holds) seq = std::min(seq, from);
    std::erase_if(log_, [&](const auto& batch) { return batch->seq < seq; });
}

void FakeLinkStore::pulse(UnixTime time) {
    Cursor bytes;
    bytes.put(value(head_.seq));
    bytes.put(time.time_since_epoch().count());
    pulse_ =
        std::make_shared<SignedBytes>(SignedBytes{bytes.bytes, fake_signature(node, bytes.bytes)});
}

LogSeq FakeLinkStore::first_held() const {
    return log_.empty() ? next(head_.seq) : log_.front()->seq;
}

// LinkStore: who.

LinkIdentity FakeLinkStore::identity() {
    return {.pool = pool,
            .node = node,
            .name = name,
            .incarnation = incarnation,
            .channel_key = channel_key_,
            .channel_private_key = channel_private_key_};
}

Result<std::uint64_t> FakeLinkStore::next_link_counter() {
    if (auto error = faulty("next_link_counter")) return *error;
    return ++link_counter;
}

void FakeLinkStore::random(std::span<std::byte> bytes) {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
}

Peer FakeLinkStore::find_peer(const ChannelPublicKey& key) {
    const auto found = peers_.find(key);
    return found == peers_.end() ? Peer{} : found->second;
}

Result<Secret> FakeLinkStore::member_psk() {
    if (psk_.empty()) return errc::key_unavailable;
    return psk_.clone();
}

Result<Secret> FakeLinkStore::invitation_psk(const InvitationId& id, const ChannelPublicKey&) {
    for (const auto& invitation : invitations_) {
        if (invitation->id == id && !invitation->expired) return invitation->psk.clone();
    }
    return errc::not_found;
}

Result<void> FakeLinkStore::heard_head(const NodeId& peer, const LogHead& head) {
    heads_heard[peer] = head;
    if (head.seq == head_.seq && head.epoch == head_.epoch && head.hash != head_.hash) {
        return Error(errc::fork, "another batch has the same place");
    }
    return {};
}

void FakeLinkStore::suspect_clone(const NodeId& peer) {
    suspects.insert(peer);
}

Result<void> FakeLinkStore::told_of_clone() {
    if (auto error = faulty("told_of_clone")) return *error;
    ++told_of_clones;
    return {};
}

void FakeLinkStore::learn_members(LogSeq seq) {
    std::map<ChannelPublicKey, Peer> now;
    for (const auto& [key, row] : rows_) {
        if (key.kind != member_kind) continue;
        Cursor from{row.sealed, 0};
        Peer peer{.standing = Peer::Standing::member, .node = from.get_id<NodeId>()};
        const auto channel_key = from.get_id<ChannelPublicKey>();
        peer.may = Capability{from.get<std::uint32_t>()};
        const Bytes raw = from.get_sized();
        peer.name.assign(reinterpret_cast<const char*>(raw.data()), raw.size());
        now[channel_key] = peer;
    }
    for (auto& [key, peer] : peers_) {
        if (now.contains(key)) continue;
        if (peer.standing == Peer::Standing::member) removals_[peer.node] = seq;
        if (peer.node == node) removed = true;
        peer.standing = Peer::Standing::removed;
        now[key] = peer;
    }
    peers_ = std::move(now);
}

// LinkStore: the log.

LogHead FakeLinkStore::head() {
    return head_;
}

std::vector<Designated> FakeLinkStore::designations() {
    std::vector<Designated> all;
    for (const auto& [key, statement] : designations_) all.push_back({key, statement});
    return all;
}

std::optional<NodeId> FakeLinkStore::primary() {
    if (designations_.empty()) return std::nullopt;
    return designations_.rbegin()->first.node;
}

Result<void> FakeLinkStore::add_designations(std::span<const SignedBytes> statements) {
    if (auto error = faulty("add_designations")) return *error;
    std::map<DesignationKey, SignedBytes> added;
    for (const auto& statement : statements) {
        if (statement.signature != fake_signature(root_signer, statement.bytes)) {
            return errc::bad_signature;
        }
        Cursor from{statement.bytes, 0};
        DesignationKey key{
            RootTerm{from.get<std::uint64_t>()}, Epoch{from.get<std::uint64_t>()}, {}};
        key.node = from.get_id<NodeId>();
        added[key] = statement;
    }
    designations_.insert(added.begin(), added.end());
    ++writes;
    return {};
}

std::vector<SharedBatch> FakeLinkStore::run_after(LogSeq after,
                                                  std::size_t max_bytes,
                                                  std::size_t max_batches) const {
    std::vector<SharedBatch> run;
    std::size_t bytes = 0;
    for (const auto& batch : log_) {
        if (batch->seq <= after) continue;
        bytes += batch->bytes.size();
        if (!run.empty() && (bytes > max_bytes || run.size() == max_batches)) break;
        run.push_back(batch);
    }
    return run;
}

std::optional<std::vector<SharedBatch>> FakeLinkStore::recent_batches(LogSeq after,
                                                                      std::size_t max_bytes,
                                                                      std::size_t max_batches) {
    if (after >= head_.seq) return std::vector<SharedBatch>{};
    if (next(after) < std::max(recent_from, first_held())) return std::nullopt;
    return run_after(after, max_bytes, max_batches);
}

Result<BatchRun> FakeLinkStore::read_batches(LogSeq after,
                                             std::size_t max_bytes,
                                             std::size_t max_batches) {
    if (auto error = faulty("read_batches")) return *error;
    ++disk_reads;
    if (after < head_.seq && next(after) < first_held()) return BatchRun{.gone = true};
    return BatchRun{.batches = run_after(after, max_bytes, max_batches)};
}

Result<void> FakeLinkStore::verify(const BatchEnvelope& batch) const {
    if (!designations_.contains({batch.root_term, batch.epoch, batch.node})) {
        return errc::wrong_epoch;
    }
    if (batch.signature != fake_signature(batch.node, batch.bytes)) return errc::bad_signature;
    return {};
}

Result<LogHead> FakeLinkStore::accept(std::span<const SharedBatch> batches) {
    if (auto error = faulty("accept")) return *error;
    Rows rows = rows_;
    LogHead head = head_;
    std::vector<SharedBatch> added;
    for (const auto& batch : batches) {
        if (batch->seq <= head.seq) continue;
        if (batch->seq != next(head.seq)) return errc::chain_gap;
        const auto verified = verify(*batch);
        if (!verified) return verified.error();
        const Content content = content_of(*batch);
        if (content.previous != head.hash) return errc::fork;
        apply(rows, content, batch->seq);
        if (digest_of(rows) != content.digest && !is_damaged) {
            // Either the rows here are not what they should be, or the batch is not.
            if (log_.empty() || digest_of(rows_) == content_of(*log_.back()).digest) {
                return errc::digest_mismatch;
            }
            is_damaged = true;
        }
        head = head_of(*batch);
        added.push_back(batch);
    }
    rows_ = std::move(rows);
    head_ = head;
    log_.insert(log_.end(), added.begin(), added.end());
    learn_members(head_.seq);
    ++writes;
    return head_;
}

void FakeLinkStore::note_ack(const NodeId& peer, LogSeq seq) {
    acked[peer] = seq;
}

std::shared_ptr<const SignedBytes> FakeLinkStore::newest_pulse(Now) {
    return pulse_;
}

Result<void> FakeLinkStore::take_pulse(const SignedBytes& pulse, Now) {
    const auto by = primary();
    if (!by || pulse.signature != fake_signature(*by, pulse.bytes)) return errc::bad_signature;
    pulse_ = std::make_shared<SignedBytes>(pulse);
    ++pulses_taken;
    return {};
}

}  // namespace countersign::testing
