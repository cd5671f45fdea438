#include "enumeration/scene.h"

#include <array>
#include <chrono>
#include <utility>

namespace countersign::testing {

using namespace simulation;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t starts = 8;

struct World {
    Facts facts;
    std::array<DiskImage, starts> images;
};

template <class Value>
Value must(Result<Value> result) {
    if (!result) FAIL(result.error().message());
    if constexpr (!std::is_void_v<Value>) return std::move(*result);
}

DiskImage all_of(const DiskMachine& machine) {
    return machine.disk->image("/", true);
}

/// Builds the world, one machine after another.
class Builder {
  public:
    World build() {
        image(Start::empty) = all_of(hq_);
        hq_store_.emplace(must(Store::create(hq_.start())));
        furnish();
        let_branch_in();
        ask_for_edge();
        image(Start::primary) = closed(hq_, hq_store_);
        hq_store_.emplace(must(Store::open(hq_.start())));
        feed_edge();
        image(Start::branch) = closed(branch_, branch_store_);
        give_news();
        return std::move(world_);
    }

  private:
    DiskImage& image(Start start) { return world_.images[static_cast<std::size_t>(start)]; }

    DiskImage closed(DiskMachine& machine, std::optional<Store>& store) {
        store.reset();
        return all_of(machine);
    }

    void furnish() {
        auto& known = world_.facts;
        Store& store = *hq_store_;
        known.alice = add_user(store, "alice");
        known.bob = add_user(store, "bob");
        known.bobs = authenticator(store, known.bob);
        const auto confirmed = store.users().confirm_totp(
            known.bob, known.bobs.id, code_at(known.bobs.uri, hq_.run->wall()));
        REQUIRE(confirmed);
        known.carol = add_user(store, "carol");
        auto carols = authenticator(store, known.carol);
        known.carols = carols.id;
        known.carols_uri = std::move(carols.uri);
        known.dave = add_user(store, "dave");
        known.daves_codes = must(store.users().make_recovery_codes(known.dave));
        for (int i = 0; i < 3; ++i) {
            REQUIRE(sign_in(store, "dave", "wrong " + std::to_string(i)).verdict ==
                    Verdict::refused);
        }
        known.erin = add_user(store, "erin");
    }

    Authenticator authenticator(Store& store, UserId user) {
        auto enrolment = must(store.users().enrol_totp(user));
        return {.id = enrolment.id, .uri = std::move(enrolment.uri)};
    }

    Secret invite(std::string name) {
        return must(
            hq_store_->nodes().invite({.name = std::move(name), .addresses = {"hq.example:7700"}}));
    }

    /// What `joiner`, just joined, needs to be a member with everything.
    void admit(Store& joiner) {
        const auto invited = joiner.links().invitation();
        REQUIRE(invited);
        const auto to = joiner.links().store();
        const auto from = hq_store_->links().store();
        must(to->admitted(must(from->admit(invited->request, to->identity().channel_key))));
        must(to->add_designations(designations()));
        must(to->begin_copy());
        CopyPage page;
        do {
            const auto after =
                page.records.empty() ? std::optional<RecordKey>() : page.records.back().key;
            page = must(from->read_page(after, 1 << 20));
            must(to->stage(page));
        } while (!page.last);
        const auto state = must(to->copy_state());
        must(to->replay(batches(LogSeq{value(state.first) - 1})));
        must(to->rows_complete(from->identity().node));
    }

    std::vector<SignedBytes> designations() {
        std::vector<SignedBytes> statements;
        for (auto& held : hq_store_->links().store()->designations()) {
            statements.push_back(std::move(held.statement));
        }
        return statements;
    }

    std::vector<SharedBatch> batches(LogSeq after) {
        return must(hq_store_->links().store()->read_batches(after, 1 << 20, 1000)).batches;
    }

    void let_branch_in() {
        branch_store_.emplace(must(Store::join(branch_.start(), invite("branch"))));
        admit(*branch_store_);
        REQUIRE(branch_store_->stage() == Stage::ready);
        world_.facts.branch = must(branch_store_->status()).node;
    }

    void ask_for_edge() {
        world_.facts.invitation = invite("edge");
        image(Start::invited) = all_of(edge_);
        edge_store_.emplace(must(Store::join(edge_.start(), world_.facts.invitation)));
        world_.facts.request = edge_store_->links().invitation()->request;
        world_.facts.edge_key = edge_store_->links().store()->identity().channel_key;
        image(Start::asking) = closed(edge_, edge_store_);
        edge_store_.emplace(must(Store::join(edge_.start(), world_.facts.invitation)));
    }

    /// In several pages, with a write between them, so that batches must be replayed.
    void feed_edge() {
        auto& known = world_.facts;
        const auto from = hq_store_->links().store();
        const auto to = edge_store_->links().store();
        Admission admission = must(from->admit(known.request, known.edge_key));
        known.psk = admission.psk.clone();
        known.secret = admission.secret.clone();
        known.designations = designations();
        must(to->admitted(admission));
        image(Start::admitted) = closed(edge_, edge_store_);
        edge_store_.emplace(must(Store::open(edge_.start())));
        const auto again = edge_store_->links().store();
        must(again->add_designations(known.designations));
        must(again->begin_copy());
        CopyPage page;
        while (!page.last) {
            const auto after =
                page.records.empty() ? std::optional<RecordKey>() : page.records.back().key;
            page = must(from->read_page(after, 2048));
            must(again->stage(page));
            known.pages.push_back(page);
            must(hq_store_->users().change(
                known.alice, {.display_name = "Alice " + std::to_string(known.pages.size())}));
        }
        REQUIRE(known.pages.size() > 2);
        const auto state = must(again->copy_state());
        for (auto& batch : batches(LogSeq{value(state.first) - 1})) {
            if (batch->seq <= state.last) known.replayed.push_back(batch);
        }
        REQUIRE(known.replayed.size() > 1);
        image(Start::copying) = closed(edge_, edge_store_);
    }

    void give_news() {
        auto& known = world_.facts;
        branch_store_.emplace(must(Store::open(branch_.start())));
        const auto to = branch_store_->links().store();
        must(hq_store_->users().erase(known.erin));
        must(hq_store_->users().set_password(known.alice, Secret("another battery staple")));
        known.news = batches(to->head().seq);
        must(to->accept(known.news));
        image(Start::branch_news) = closed(branch_, branch_store_);
        const auto last = hq_store_->links().store()->head().seq;
        must(hq_store_->nodes().remove(known.branch));
        known.removal = batches(last).front();
    }

    World world_;
    DiskMachine hq_{{.device = 1}, "machine of hq"};
    DiskMachine branch_{{.device = 2}, "machine of branch"};
    DiskMachine edge_{{.device = 3}, "machine of edge"};
    std::optional<Store> hq_store_;
    std::optional<Store> branch_store_;
    std::optional<Store> edge_store_;
};

const World& world() {
    static const World built = Builder().build();
    return built;
}

/// So that every scene's first process is the same one, later than those that built the world.
constexpr std::uint64_t runs_before = 10;

std::string machine_of(Start start) {
    switch (start) {
        case Start::empty:
        case Start::primary:
            return "machine of hq";
        case Start::branch:
        case Start::branch_news:
            return "machine of branch";
        default:
            return "machine of edge";
    }
}

}  // namespace

const Facts& facts() {
    return world().facts;
}

Scene::Scene(Start from, std::uint64_t seed)
    : start(from), facts(testing::facts()), machine({.seed = seed, .device = 9}, machine_of(from)) {
    machine.disk->put_back(world().images[static_cast<std::size_t>(from)], true);
    machine.runs = runs_before;
    options = machine.start();
    options.on_event = events.handler();
}

Result<void> Scene::open() {
    if (!machine.run || options.environment != machine.run) {
        options = machine.start();
        options.on_event = events.handler();
    }
    auto opened = start == Start::invited || start == Start::asking
                      ? Store::join(options, facts.invitation)
                      : Store::open(options);
    if (!opened) return opened.error();
    store.emplace(std::move(*opened));
    return {};
}

void Scene::end() {
    machine.run->end();
    store.reset();
    machine.run.reset();
    options.environment.reset();
    machine.disk->heal();
    machine.power_on();
}

}  // namespace countersign::testing
