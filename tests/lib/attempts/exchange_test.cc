#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "attempts/merge.h"
#include "attempts/own_row.h"
#include "attempts/throttle.h"
#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;

namespace {

struct Site {
    NodeId id;
    Incarnation life{1};
    std::uint64_t next_seq = 1;
    TallySet rows{password_of(1)};

    Stamp stamp() const { return {id, life, RowSeq{next_seq}, LogSeq{1}}; }
};

/// Sites whose rows reach each other in any order, late, repeatedly or never; and, beside them, a
/// plain account of every failure and of what each success knew.
class Pool {
  public:
    Pool(std::uint64_t seed, std::uint8_t sites) : random_(seed) {
        for (std::uint8_t i = 1; i <= sites; ++i) sites_.push_back({.id = node(i)});
    }

    std::size_t draw(std::size_t below) { return random_() % below; }
    Site& any_site() { return sites_[draw(sites_.size())]; }
    std::vector<Site>& sites() { return sites_; }

    void fail(Site& site) {
        put(site, count_failure(site.rows, site.stamp()));
        const TallyRow& row = *site.rows.find(site.stamp().author());
        failures_.emplace(row.author(), row.window, row.failures);
    }

    void succeed(Site& site) {
        for (const auto& entry : site.rows.entries()) {
            if (!holders.failures_count(entry.row)) continue;
            for (std::uint32_t i = 1; i <= entry.row.failures; ++i) {
                covered_.emplace(entry.row.author(), entry.row.window, i);
            }
        }
        if (auto row = record_success(site.rows, site.stamp(), holders)) put(site, *row);
    }

    void tidy(Site& site) {
        if (auto row = open_new_window(site.rows, site.stamp(), holders)) put(site, *row);
        if (auto row = drop_clears(site.rows, site.stamp())) put(site, *row);
    }

    /// An older copy of the site's directory is put back, and it begins a new incarnation.
    void restore(Site& site, const TallySet& backup) {
        site.rows = backup;
        const Incarnation left = site.life;
        site.life = Incarnation{++lives_};
        site.next_seq = 1;
        if (auto row = copy_from(left, site.rows, site.stamp(), holders)) {
            for (std::uint32_t i = 1; i <= row->failures; ++i) {
                failures_.emplace(row->author(), row->window, i);
            }
            put(site, *row);
        }
    }

    /// Any row that anyone ever wrote.
    void deliver(Site& site) {
        if (!history_.empty()) site.rows.merge(history_[draw(history_.size())], Instant{});
    }

    void lie(Site& site) {
        TallyRow row = testing::row(0, ++lies_, 1, static_cast<std::uint32_t>(draw(20)));
        row.node = site.id;
        for (const Site& other : sites_) {
            if (other.id == site.id) continue;
            const TallyRow* known = site.rows.find({other.id, other.life});
            row.clears.push_back({other.id,
                                  other.life,
                                  known != nullptr ? known->window : RowSeq{1},
                                  1 + static_cast<std::uint32_t>(draw(5))});
        }
        history_.push_back(row);
    }

    /// Every row to every site, until nobody has anything to say.
    void settle() {
        for (std::size_t said = 0; said != history_.size() + 1;) {
            said = history_.size() + 1;
            for (Site& site : sites_) {
                for (const TallyRow& row : history_) site.rows.merge(row, Instant{});
            }
            for (Site& site : sites_) tidy(site);
        }
    }

    std::uint64_t effective(const Site& site) const {
        return effective_failures(site.rows, holders);
    }
    /// What the site knows of and no success anywhere has covered.
    std::uint64_t known_uncovered(const Site& site) const {
        std::uint64_t count = 0;
        for (const auto& [row, failed_at] : site.rows.entries()) {
            if (!holders.failures_count(row)) continue;
            for (std::uint32_t i = 1; i <= row.failures; ++i) {
                if (!covered_.contains({row.author(), row.window, i})) ++count;
            }
        }
        return count;
    }
    std::uint64_t uncovered() const {
        std::uint64_t count = 0;
        for (const auto& failure : failures_) {
            if (!covered_.contains(failure)) ++count;
        }
        return count;
    }

    Holders holders;

  private:
    void put(Site& site, const TallyRow& row) {
        REQUIRE(decode_tally(encode(row)));
        REQUIRE(site.rows.merge(row, Instant{}));
        ++site.next_seq;
        history_.push_back(row);
    }

    using Failure = std::tuple<Author, RowSeq, std::uint32_t>;
    std::mt19937_64 random_;
    std::vector<Site> sites_;
    std::vector<TallyRow> history_;
    std::set<Failure> failures_;
    std::set<Failure> covered_;
    std::uint64_t lives_ = 100;
    std::uint64_t lies_ = 0;
};

}  // namespace

TEST_CASE("exchange: no success anywhere: no order of rows lowers anyone's effective failures") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        Pool pool(seed, 4);
        std::uint64_t failures = 0;
        for (int step = 0; step < 200; ++step) {
            Site& site = pool.any_site();
            const std::uint64_t before = pool.effective(site);
            switch (pool.draw(4)) {
                case 0:
                    pool.fail(site);
                    ++failures;
                    REQUIRE(pool.effective(site) == before + 1);
                    break;
                case 1:
                    pool.tidy(site);
                    REQUIRE(pool.effective(site) == before);
                    break;
                default:
                    pool.deliver(site);
                    REQUIRE(pool.effective(site) >= before);
            }
            REQUIRE(pool.effective(site) <= failures);
        }
        pool.settle();
        for (const Site& site : pool.sites()) REQUIRE(pool.effective(site) == failures);
    }
}

TEST_CASE("exchange: successes here and there: only what a success knew of is ever forgiven") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        Pool pool(seed, 5);
        for (int step = 0; step < 300; ++step) {
            Site& site = pool.any_site();
            switch (pool.draw(10)) {
                case 0:
                case 1:
                case 2:
                    pool.fail(site);
                    break;
                case 3:
                    if (pool.draw(3) == 0) pool.succeed(site);
                    break;
                case 4:
                    pool.tidy(site);
                    break;
                default:
                    pool.deliver(site);
            }
            REQUIRE(pool.effective(site) >= pool.known_uncovered(site));
        }
        pool.settle();
        for (const Site& site : pool.sites()) {
            REQUIRE(pool.effective(site) == pool.uncovered());
            // Nobody keeps a clear that nobody needs: what is left has something to clear.
            for (const auto& [row, failed_at] : site.rows.entries()) {
                for (const Clear& clear : row.clears) {
                    REQUIRE(site.rows.find(clear.subject())->window == clear.window);
                }
            }
        }
        pool.succeed(pool.any_site());
        pool.settle();
        for (const Site& site : pool.sites()) {
            REQUIRE(pool.effective(site) == 0);
            for (const auto& [row, failed_at] : site.rows.entries()) REQUIRE(says_nothing(row));
        }
    }
}

TEST_CASE("exchange: backups put back, a new incarnation each time: too high at most") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Pool pool(seed, 4);
        std::map<NodeId, TallySet> backups;
        for (int step = 0; step < 250; ++step) {
            Site& site = pool.any_site();
            switch (pool.draw(10)) {
                case 0:
                case 1:
                case 2:
                    pool.fail(site);
                    break;
                case 3:
                    if (pool.draw(3) == 0) pool.succeed(site);
                    break;
                case 4:
                    backups.insert_or_assign(site.id, site.rows);
                    break;
                case 5:
                    if (backups.contains(site.id) && pool.draw(4) == 0) {
                        pool.restore(site, backups.at(site.id));
                        backups.erase(site.id);
                    }
                    break;
                case 6:
                    pool.tidy(site);
                    break;
                default:
                    pool.deliver(site);
            }
            REQUIRE(pool.effective(site) >= pool.known_uncovered(site));
        }
        pool.settle();
        for (const Site& site : pool.sites()) REQUIRE(pool.effective(site) == pool.uncovered());
    }
}

TEST_CASE("exchange: a node without the realm says what it likes: the others agree as before") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Pool pool(seed, 4);
        Site& liar = pool.sites()[3];
        pool.holders.without_realm.insert(liar.id);
        for (int step = 0; step < 200; ++step) {
            Site& site = pool.any_site();
            const std::uint64_t before = pool.effective(site);
            if (site.id == liar.id) {
                pool.lie(site);
            } else if (pool.draw(3) == 0) {
                pool.fail(site);
            }
            pool.deliver(site);
            REQUIRE(pool.effective(site) >= before);
        }
        for (Site& site : pool.sites()) {
            for (int i = 0; i < 2'000; ++i) pool.deliver(site);
        }
        for (const Site& site : pool.sites()) REQUIRE(pool.effective(site) == pool.uncovered());
    }
}

TEST_CASE("exchange: guesses at every node, links cut: never more than the guess budget") {
    const ThrottlePolicy policy{.max_failures = 10, .lock_for = milliseconds(0)};
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Pool pool(seed, 3);
        const bool is_connected = pool.draw(2) == 0;
        std::map<NodeId, Share> shares;
        std::map<NodeId, TallySet> backups;
        for (const Site& site : pool.sites()) {
            shares[site.id] = {.granted = 10};
            backups.emplace(site.id, site.rows);
        }
        std::uint64_t verified = 0;
        std::uint64_t restored = 0;
        for (int step = 0; step < 400; ++step) {
            Site& site = pool.any_site();
            if (pool.draw(100) == 0) {
                pool.restore(site, backups.at(site.id));
                shares[site.id].is_restored = true;
                ++restored;
            }
            if (is_connected) pool.deliver(site);
            const Standing standing =
                standing_of(site.id, site.rows, pool.holders, policy, shares[site.id]);
            if (budget_refuses(standing.own_remaining, standing.share)) continue;
            ++verified;
            pool.fail(site);
        }
        REQUIRE(verified <= 30 + restored);
        if (restored == 0) REQUIRE(verified == 30);
    }
}
