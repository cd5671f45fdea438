#pragma once

#include <atomic>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "countersign/links.h"
#include "countersign/store.h"

#include "support/link_end.h"
#include "support/store_fixture.h"

namespace countersign::testing {

/// A machine at some place: its directory, and the store on it while it runs.
struct Site {
    explicit Site(std::uint64_t seed, std::string name);

    /// Makes the pool, this site being its primary.
    void create();
    /// Makes this one's directory ready to be let in.
    Result<void> join(const Secret& invitation);
    void close() { store.reset(); }
    void reopen() { store.emplace(place.open()); }

    std::string name;
    StorePlace place;
    std::optional<Store> store;
    std::shared_ptr<LinkTable> table = std::make_shared<LinkTable>();
};

/// The files of a site's directory as they lay on the disk when this was made.
class KeptFiles {
  public:
    explicit KeptFiles(const Site& site);
    /// Into the same files, so that their inodes stay; one that was not there then goes. The site
    /// is closed.
    void put_back(std::initializer_list<const char*> names) const;

  private:
    std::string directory_;
    std::string kept_;  ///< what its name has more
};

/// One link between the stores of two sites, in memory and on one thread.
class SiteLink {
  public:
    /// `from` dials `to`, with its invitation while it has one.
    SiteLink(Site& from, Site& to);
    ~SiteLink() { cut(); }
    SiteLink(const SiteLink&) = delete;
    SiteLink& operator=(const SiteLink&) = delete;

    /// Until nothing is left to be done at this time.
    void run();
    /// Time passes at both sites, their links waking where they asked for it.
    void pass(milliseconds time);
    /// Both ends lose the stream, and what is on its way.
    void cut();
    /// `cut` happens when so many bytes more have arrived, both ways together.
    void cut_after(std::size_t bytes) { bytes_left_ = bytes; }

    /// Bytes, both ways together.
    std::size_t arrived() const { return arrived_; }
    /// Called after each step.
    std::function<void()> watch;

    bool saw(LinkEvent::Kind kind) const {  ///< at either end
        return ends_[0].saw(kind) || ends_[1].saw(kind);
    }
    /// Why `from`'s end closed; none: it lives.
    std::optional<errc> reason() const { return ends_[0].reason(); }
    LinkStatus status() const { return ends_[0].link->status(); }

  private:
    struct End : LinkEnd {
        explicit End(Site& at) : site(&at) {}
        Site* site;
        std::atomic<bool> changed = false;  ///< told on any thread
    };
    bool step(End& end, End& other);

    End ends_[2];
    std::optional<std::size_t> bytes_left_;
    std::size_t arrived_ = 0;
};

/// Lets `site` in by an invitation of `hq` and links it until nothing is left to be done: it has
/// copied the pool.
void let_in(Site& hq, Site& site, Capability may = Capability::propose);
Secret invite(Site& hq, const std::string& name, Capability may = Capability::propose);
/// That both hold the same log and the same records, by their digests and from scratch.
bool in_step(Site& one, Site& other);

}  // namespace countersign::testing
