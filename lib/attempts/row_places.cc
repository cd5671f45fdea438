#include "attempts/row_places.h"

namespace countersign::attempts {

std::shared_ptr<const RowVector> RowPlaces::vector() const {
    const std::lock_guard guard(mutex_);
    return vector_;
}

RowSeq RowPlaces::of(const RowAuthor& author) const {
    const auto held = vector();
    const auto place = held ? held->find(author) : RowVector::const_iterator{};
    return held && place != held->end() ? place->second : RowSeq{};
}

bool RowPlaces::load(const std::vector<std::pair<Author, RowSeq>>& heard,
                     const NodeId& self,
                     const AuthorRow& own) {
    RowVector fresh;
    for (const auto& [author, row_seq] : heard) {
        fresh[{author.node, author.incarnation}] = row_seq;
    }
    if (own.row_seq != RowSeq{}) fresh[{self, own.incarnation}] = own.row_seq;
    const std::lock_guard guard(mutex_);
    if (vector_ && *vector_ == fresh) return false;
    vector_ = std::make_shared<const RowVector>(std::move(fresh));
    return true;
}

bool RowPlaces::raise(const std::vector<std::pair<RowAuthor, RowSeq>>& places) {
    const std::lock_guard guard(mutex_);
    if (!vector_) return false;
    std::shared_ptr<RowVector> fresh;
    for (const auto& [author, row_seq] : places) {
        const auto& known = fresh ? *fresh : *vector_;
        const auto held = known.find(author);
        if (row_seq == RowSeq{} || (held != known.end() && held->second >= row_seq)) continue;
        if (!fresh) fresh = std::make_shared<RowVector>(*vector_);
        (*fresh)[author] = row_seq;
    }
    if (!fresh) return false;
    vector_ = std::move(fresh);
    return true;
}

}  // namespace countersign::attempts
