#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "countersign/link.h"

#include "channel/channel.h"
#include "support/fake_link_store.h"
#include "wire/message.h"

namespace countersign::testing {

/// A peer that holds a member's keys and says whatever a test wants to a link, in whatever order.
class RawPeer {
  public:
    /// Speaks as `self`. With `link_store` as the store of the link under test, which answers when
    /// `dials`, and dials otherwise.
    RawPeer(std::shared_ptr<FakeLinkStore> self,
            std::shared_ptr<FakeLinkStore> link_store,
            bool dials,
            const LinkOptions& options = {});

    void send(const wire::Message& message);
    void send_frame(BytesView frame);
    void pass(milliseconds time);
    /// What an honest node says up to the end of the greeting.
    void greet();
    wire::Hello hello() const;

    /// The code of the goodbye that the link under test said, if any.
    std::optional<errc> goodbye() const;
    template <class T>
    const T* heard() const {
        for (const auto& message : received) {
            if (const auto* one = std::get_if<T>(&message)) return one;
        }
        return nullptr;
    }

    std::vector<wire::Message> received;
    std::optional<CloseLink> closed;  ///< how the link under test ended
    std::optional<Link> link;
    Now now;

  private:
    void pump();
    void drain_link();
    channel::Offer offer() const;

    std::shared_ptr<FakeLinkStore> self_;
    std::optional<channel::Channel> channel_;
    Bytes to_link_;
    Bytes to_raw_;
    std::deque<RunStore> tasks_;
};

/// A primary with some batches and a member that lacks the last of them, either of which a RawPeer
/// can speak for.
struct RawPool {
    RawPool();
    /// A replica that says what it wants to the primary.
    RawPeer at_primary(const LinkOptions& options = {}) const {
        return RawPeer(branch, hq, true, options);
    }
    /// A primary that says what it wants to the replica.
    RawPeer at_replica(const LinkOptions& options = {}) const {
        return RawPeer(hq, branch, false, options);
    }
    SharedBatch batch(std::uint64_t seq) const { return hq->log().at(seq - 1); }

    std::shared_ptr<FakeLinkStore> hq = std::make_shared<FakeLinkStore>(1, "hq");
    std::shared_ptr<FakeLinkStore> branch = std::make_shared<FakeLinkStore>(2, "branch");
};

}  // namespace countersign::testing
