#include "log/author.h"

#include <utility>

#include "countersign/mutants.h"

namespace countersign::log {

std::string described(LogSeq seq) {
    return "batch " + std::to_string(value(seq));
}

Result<void> check_author(membership::Designations& designations, const SignedBatch& batch) {
    const auto& place = batch.place;
    const auto designation = designations.find(place.root_term, place.epoch, place.node);
    if (!designation) return designation.error();
    if (!*designation) {
        return Error(errc::wrong_epoch, described(place.seq) + " is of a designation unknown here");
    }
    if (place.seq <= (*designation)->base_seq) {
        return Error(errc::wrong_epoch,
                     described(place.seq) + " lies before its designation's base");
    }
    const auto is_signed = [&](BytesView bytes) {
        return is_planted(Mutant::skip_signature) ||
               sealing::verify(
                   sealing::SignatureKind::batch, bytes, batch.signature, place.node.bytes);
    };
    const bool ends_late = is_planted(Mutant::trailing_bytes) &&
                           is_signed(BytesView(batch.bytes).first(batch.bytes.size() - 8));
    if (!ends_late && !is_signed(batch.bytes)) {
        return Error(errc::bad_signature, described(place.seq));
    }
    return {};
}

bool same_designation(const Place& left, const Place& right) noexcept {
    return left.root_term == right.root_term && left.epoch == right.epoch &&
           left.node == right.node;
}

Result<void> check_succession(membership::Designations& designations,
                              const Head& head,
                              const Place& place) {
    if (same_designation(place, head.place)) return {};
    const auto designation = designations.find(place.root_term, place.epoch, place.node);
    if (!designation) return designation.error();
    const bool rises =
        std::pair(place.root_term, place.epoch) > std::pair(head.place.root_term, head.place.epoch);
    if (!*designation || !rises || (*designation)->base_seq != head.place.seq ||
        (*designation)->base_hash != head.hash) {
        return Error(errc::wrong_epoch,
                     described(place.seq) + " is not where its designation begins");
    }
    return {};
}

Result<void> Successors::check(const Place& place, const sealing::Hash256& hash) {
    if (!of_ || !same_designation(*of_, place)) {
        auto later = designations_->after(place.root_term, place.epoch, place.node);
        if (!later) return later.error();
        later_ = std::move(*later);
        of_ = place;
    }
    for (const auto& designation : later_) {
        if (place.seq > designation.base_seq ||
            (place.seq == designation.base_seq && hash != designation.base_hash)) {
            return Error(errc::wrong_epoch,
                         described(place.seq) + " lies beyond the base of a later designation");
        }
    }
    return {};
}

}  // namespace countersign::log
