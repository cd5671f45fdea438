#include "countersign/events.h"

#include "countersign/authentication.h"
#include "countersign/store.h"

namespace countersign {

const char* name(Event::Kind kind) noexcept {
    switch (kind) {
        case Event::Kind::new_incarnation:
            return "new_incarnation";
        case Event::Kind::unclean_end:
            return "unclean_end";
        case Event::Kind::members_not_heard:
            return "members_not_heard";
        case Event::Kind::damage_found:
            return "damage_found";
        case Event::Kind::damage_repaired:
            return "damage_repaired";
        case Event::Kind::scrub_finished:
            return "scrub_finished";
        case Event::Kind::attempt_refused:
            return "attempt_refused";
        case Event::Kind::many_clears:
            return "many_clears";
        case Event::Kind::too_many_rows:
            return "too_many_rows";
        case Event::Kind::many_unknown:
            return "many_unknown";
        case Event::Kind::hash_above_caps:
            return "hash_above_caps";
        case Event::Kind::clock_behind:
            return "clock_behind";
        case Event::Kind::clock_jumped:
            return "clock_jumped";
        case Event::Kind::code_used_twice:
            return "code_used_twice";
        case Event::Kind::data_key_missing:
            return "data_key_missing";
        case Event::Kind::housekeeping_failed:
            return "housekeeping_failed";
        case Event::Kind::disk_failed:
            return "disk_failed";
        case Event::Kind::copy_refused:
            return "copy_refused";
        case Event::Kind::fork:
            return "fork";
        case Event::Kind::clone_suspected:
            return "clone_suspected";
        case Event::Kind::invitation_made:
            return "invitation_made";
        case Event::Kind::node_joined:
            return "node_joined";
        case Event::Kind::node_removed:
            return "node_removed";
    }
    return "unknown";
}

const char* name(Stage stage) noexcept {
    switch (stage) {
        case Stage::joining:
            return "joining";
        case Stage::copying:
            return "copying";
        case Stage::ready:
            return "ready";
        case Stage::removed:
            return "removed";
    }
    return "unknown";
}

const char* name(LinkStatus::State state) noexcept {
    using enum LinkStatus::State;
    switch (state) {
        case connecting:
            return "connecting";
        case joining:
            return "joining";
        case copying:
            return "copying";
        case following:
            return "following";
        case feeding:
            return "feeding";
        case idle:
            return "idle";
    }
    return "unknown";
}

const char* name(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::accepted:
            return "accepted";
        case Verdict::refused:
            return "refused";
        case Verdict::code_required:
            return "code_required";
        case Verdict::locked:
            return "locked";
        case Verdict::disabled:
            return "disabled";
        case Verdict::stale:
            return "stale";
        case Verdict::not_held_here:
            return "not_held_here";
    }
    return "unknown";
}

}  // namespace countersign
