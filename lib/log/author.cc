#include "log/author.h"

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
    if (!sealing::verify(
            sealing::SignatureKind::batch, batch.bytes, batch.signature, place.node.bytes)) {
        return Error(errc::bad_signature, described(place.seq));
    }
    return {};
}

}  // namespace countersign::log
