#include "cluster/linked_sites.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace countersign::testing {

namespace fs = std::filesystem;

Site::Site(std::uint64_t seed, std::string given) : name(std::move(given)), place(seed) {
    place.options.node_name = name;
    place.environment->set_machine_id("machine of " + name);
}

void Site::create() {
    store.emplace(place.create());
}

Result<void> Site::join(const Secret& invitation) {
    auto joined = Store::join(place.options, invitation);
    if (!joined) return joined.error();
    store.emplace(std::move(*joined));
    return {};
}

KeptFiles::KeptFiles(const Site& site) : directory_(site.place.options.directory) {
    do kept_ += ".kept";
    while (fs::exists(directory_ + kept_));
    site.place.copy_files(directory_ + kept_);
}

void KeptFiles::put_back(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
        const auto target = fs::path(directory_) / name;
        const auto source = fs::path(directory_ + kept_) / name;
        if (fs::exists(source)) {
            fs::copy_file(source, target, fs::copy_options::overwrite_existing);
        } else {
            fs::remove(target);
        }
    }
}

SiteLink::SiteLink(Site& from, Site& to) : ends_{End(from), End(to)} {
    const auto now = from.place.environment->now();
    auto links = from.store->links();
    const auto contacts = links.contacts();
    REQUIRE(!contacts.empty());
    const LinkOptions options;
    auto invited = links.invitation();
    auto dialled =
        invited ? Link::join(links.store(),
                             from.table,
                             contacts.front().channel_key,
                             std::move(*invited),
                             options,
                             now)
                : Link::dial(links.store(), from.table, contacts.front().channel_key, options, now);
    REQUIRE(dialled);
    ends_[0].link.emplace(std::move(*dialled));
    ends_[1].link.emplace(
        Link::answer(to.store->links().store(), to.table, options, to.place.environment->now()));
    for (auto& end : ends_) {
        end.site->store->links().on_change([&end] { end.changed = true; });
        end.drain();
    }
}

bool SiteLink::step(End& end, End& other) {
    const auto now = end.site->place.environment->now();
    if (!end.outgoing.empty()) {
        Bytes bytes = std::exchange(end.outgoing, {});
        if (bytes_left_) {
            bytes.resize(std::min(bytes.size(), *bytes_left_));
            *bytes_left_ -= bytes.size();
        }
        arrived_ += bytes.size();
        end.link->on_sent(bytes.size());
        other.link->on_bytes(bytes, other.site->place.environment->now());
        other.drain();
    } else if (!end.tasks.empty()) {
        RunStore run = std::move(end.tasks.front());
        end.tasks.pop_front();
        run.task();
        end.link->on_done(run.id, now);
    } else if (end.changed.exchange(false)) {
        end.link->on_commit(now);
    } else if (end.closed && !other.closed) {
        other.link->on_closed(Error(errc::link_closed, "the stream ended"));
        other.drain();
    } else {
        return false;
    }
    end.drain();
    return true;
}

void SiteLink::run() {
    while (ends_[0].link) {
        const bool one_was_busy = step(ends_[0], ends_[1]);
        const bool other_was_busy = step(ends_[1], ends_[0]);
        if (watch) watch();
        if (bytes_left_ == 0) return cut();
        if (!one_was_busy && !other_was_busy) return;
    }
}

void SiteLink::pass(milliseconds time) {
    const auto step_time = std::min(time, milliseconds{1'000});
    run();
    for (milliseconds passed{}; passed < time; passed += step_time) {
        for (auto& end : ends_) end.site->place.environment->pass(step_time);
        for (auto& end : ends_) {
            if (!end.link || end.closed) continue;
            end.link->on_time(end.site->place.environment->now());
            end.drain();
        }
        run();
    }
}

void SiteLink::cut() {
    bytes_left_.reset();
    for (auto& end : ends_) {
        if (!end.link) continue;
        if (end.site->store) end.site->store->links().on_change({});
        end.link->on_closed(Error(errc::link_closed, "cut"));
        end.drain();
        end.link.reset();
        end.tasks.clear();
        end.outgoing.clear();
    }
}

Secret invite(Site& hq, const std::string& name, Capability may) {
    auto invitation =
        hq.store->nodes().invite({.name = name, .may = may, .addresses = {"hq.example:7700"}});
    REQUIRE(invitation);
    return std::move(*invitation);
}

void let_in(Site& hq, Site& site, Capability may) {
    REQUIRE(site.join(invite(hq, site.name, may)));
    SiteLink link(site, hq);
    link.run();
    REQUIRE(site.store->stage() == Stage::ready);
}

bool in_step(Site& one, Site& other) {
    const auto left = one.store->log().verify();
    const auto right = other.store->log().verify();
    REQUIRE(left);
    REQUIRE(right);
    return left->seq == right->seq && left->digest == right->digest &&
           left->records == right->records;
}

}  // namespace countersign::testing
