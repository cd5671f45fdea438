#include "countersign/asio.h"

namespace countersign {

const char* name(NodeEvent::Kind kind) noexcept {
    switch (kind) {
        case NodeEvent::Kind::link:
            return "link";
        case NodeEvent::Kind::link_ended:
            return "link_ended";
        case NodeEvent::Kind::dial_failed:
            return "dial_failed";
        case NodeEvent::Kind::failed:
            return "failed";
    }
    return "unknown";
}

const char* name(JoinProgress::Kind kind) noexcept {
    switch (kind) {
        case JoinProgress::Kind::connected:
            return "connected";
        case JoinProgress::Kind::admitted:
            return "admitted";
        case JoinProgress::Kind::copying:
            return "copying";
        case JoinProgress::Kind::proved:
            return "proved";
    }
    return "unknown";
}

}  // namespace countersign
