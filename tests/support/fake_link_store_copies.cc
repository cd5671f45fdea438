#include <algorithm>
#include <utility>

#include "support/fake_link_store.h"

namespace countersign::testing {

// LinkStore: copies.

Result<CopyPage> FakeLinkStore::read_page(const std::optional<RecordKey>& after,
                                          std::size_t max_bytes) {
    if (auto error = faulty("read_page")) return *error;
    CopyPage page{.moment = LogSeq{value(head_.seq) + moment_ahead}};
    auto at = after ? rows_.upper_bound(*after) : rows_.begin();
    std::size_t bytes = 0;
    for (; at != rows_.end(); ++at) {
        const auto& [key, row] = *at;
        bytes += row.sealed.size() + row.handles.size();
        if (!page.records.empty() && bytes > max_bytes) break;
        page.records.push_back({key, row.seq, row.sealed, row.handles});
        largest_page = std::max(largest_page, bytes);
    }
    page.last = at == rows_.end();
    if (lie_on_page != 0 && --lie_on_page == 0) page.records[0].sealed[0] ^= std::byte{1};
    return page;
}

void FakeLinkStore::hold_batches(const NodeId& peer, LogSeq from) {
    holds[peer] = from;
}

void FakeLinkStore::release_batches(const NodeId& peer) {
    holds.erase(peer);
}

Result<CopyState> FakeLinkStore::copy_state() {
    if (auto error = faulty("copy_state")) return *error;
    return staging_ ? staging_->state : CopyState{};
}

Result<CopyState> FakeLinkStore::begin_copy() {
    if (auto error = faulty("begin_copy")) return *error;
    staging_.emplace();
    staging_->state.stage = CopyState::Stage::paging;
    ++copies_begun;
    ++writes;
    return staging_->state;
}

Result<CopyState> FakeLinkStore::stage(const CopyPage& page) {
    if (auto error = faulty("stage")) return *error;
    if (!staging_ || staging_->state.stage != CopyState::Stage::paging) return errc::conflict;
    CopyState& state = staging_->state;
    state.first = state.first == LogSeq{} ? page.moment : std::min(state.first, page.moment);
    state.last = std::max(state.last, page.moment);
    for (const auto& record : page.records) {
        state.after = record.key;
        staging_->rows[record.key] = {record.seq, record.sealed, record.handles};
    }
    if (page.last) state.stage = CopyState::Stage::replaying;
    ++pages_staged;
    ++writes;
    return state;
}

Result<CopyState> FakeLinkStore::replay(std::span<const SharedBatch> batches) {
    if (auto error = faulty("replay")) return *error;
    if (!staging_ || staging_->state.stage != CopyState::Stage::replaying) return errc::conflict;
    Staging next_staging = *staging_;
    CopyState& state = next_staging.state;
    for (const auto& batch : batches) {
        const bool anchor = state.replayed == LogSeq{};
        if (batch->seq != (anchor ? state.first : next(state.replayed))) return errc::chain_gap;
        if (batch->seq > state.last) return errc::invalid_argument;
        const auto verified = verify(*batch);
        if (!verified) return verified.error();
        const Content content = content_of(*batch);
        if (!anchor && content.previous != next_staging.head.hash) return errc::fork;
        apply(next_staging.rows, content, batch->seq);
        next_staging.head = head_of(*batch);
        next_staging.log.push_back(batch);
        state.replayed = batch->seq;
        if (batch->seq == state.last && digest_of(next_staging.rows) != content.digest) {
            staging_.reset();
            return errc::digest_mismatch;
        }
    }
    ++writes;
    if (state.replayed != state.last) {
        staging_ = std::move(next_staging);
        return staging_->state;
    }
    rows_ = std::move(next_staging.rows);
    head_ = next_staging.head;
    log_ = std::move(next_staging.log);
    staging_.reset();
    learn_members(head_.seq);
    return CopyState{};
}

// LinkStore: joining and leaving.

Result<Admission> FakeLinkStore::admit(const JoinRequest& request, const ChannelPublicKey& key) {
    if (auto error = faulty("admit")) return *error;
    if (primary() != node) return Error(errc::not_primary, "hq writes");
    const auto found = std::ranges::find_if(
        invitations_, [&](const auto& each) { return each->id == request.invitation; });
    if (found == invitations_.end()) return errc::invalid_invitation;
    Invitation& invitation = **found;
    if (invitation.expired) return errc::invitation_expired;
    const auto& admission = request.admission;
    if (admission.signature != fake_signature(invitation.signer, admission.bytes)) {
        return errc::bad_signature;
    }
    Cursor from{admission.bytes, 0};
    const auto joiner = from.get_id<NodeId>();
    if (from.get_id<ChannelPublicKey>() != key) return errc::malformed;
    if (invitation.spent_by && *invitation.spent_by != key) return errc::invitation_spent;
    if (!invitation.spent_by) {
        invitation.spent_by = key;
        put_member(joiner, key, request.addresses.at(0), Capability::propose);
    }
    return Admission{.psk = psk_.clone(), .secret = psk_.clone()};
}

Result<void> FakeLinkStore::admitted(const Admission& admission) {
    if (auto error = faulty("admitted")) return *error;
    psk_ = admission.psk.clone();
    ++writes;
    return {};
}

Result<SharedBatch> FakeLinkStore::removal_of(const NodeId& node_id) {
    if (auto error = faulty("removal_of")) return *error;
    const auto found = removals_.find(node_id);
    for (const auto& batch : log_) {
        if (found != removals_.end() && batch->seq == found->second) return batch;
    }
    return SharedBatch();
}

Result<void> FakeLinkStore::removed_by(const SharedBatch& batch) {
    if (auto error = faulty("removed_by")) return *error;
    if (!batch) return {};
    const auto verified = verify(*batch);
    if (!verified) return verified;
    for (const auto& change : content_of(*batch).changes) {
        if (change.key == member_key(node) && !change.put) {
            removed = true;
            ++writes;
            return {};
        }
    }
    return errc::malformed;
}

}  // namespace countersign::testing
