#include "enumeration/operations.h"

#include <chrono>
#include <utility>

namespace countersign::testing {

using namespace std::chrono_literals;

namespace {

template <class Value>
Result<void> outcome(const Result<Value>& result) {
    if (!result) return result.error();
    return {};
}

NewUser new_user(std::string login) {
    NewUser user;
    user.login = std::move(login);
    user.password = Secret(good_password);
    user.email = user.login + "@example.org";
    return user;
}

Result<void> attempt(Scene& scene, std::string login, const char* password, std::string code = {}) {
    SignIn attempt;
    attempt.login = std::move(login);
    attempt.password = Secret(password);
    attempt.code = std::move(code);
    return outcome(scene.store->authenticate(std::move(attempt)));
}

Result<void> put(std::optional<Store>& place, Result<Store> made) {
    if (!made) return made.error();
    place.emplace(std::move(*made));
    return {};
}

// Of the primary.

const Operation of_the_primary[] = {
    {"create a store",
     Start::empty,
     [](Scene& scene) { return put(scene.store, Store::create(scene.options)); },
     false},
    {"open the store", Start::primary, [](Scene& scene) { return scene.open(); }, false},
    {"close the store",
     Start::primary,
     [](Scene& scene) {
         scene.store.reset();
         return Result<void>();
     }},
    {"create a user",
     Start::primary,
     [](Scene& scene) { return outcome(scene.store->users().create(new_user("frank"))); }},
    {"create three users",
     Start::primary,
     [](Scene& scene) {
         std::vector<NewUser> users;
         for (const char* login : {"frank", "grace", "heidi"}) users.push_back(new_user(login));
         for (auto& made : scene.store->users().create_many(std::move(users))) {
             if (!made) return Result<void>(made.error());
         }
         return Result<void>();
     }},
    {"change a user",
     Start::primary,
     [](Scene& scene) {
         return outcome(scene.store->users().change(
             scene.facts.alice,
             {.login = "alicia", .email = "alicia@example.org", .disabled = true}));
     }},
    {"set a password",
     Start::primary,
     [](Scene& scene) {
         return outcome(scene.store->users().set_password(scene.facts.dave, Secret("new battery")));
     }},
    {"change a password",
     Start::primary,
     [](Scene& scene) {
         return outcome(scene.store->users().change_password(
             scene.facts.dave, Secret(good_password), Secret("another battery staple")));
     },
     true,
     true},
    {"erase a user",
     Start::primary,
     [](Scene& scene) { return outcome(scene.store->users().erase(scene.facts.dave)); }},
    {"enrol an authenticator",
     Start::primary,
     [](Scene& scene) { return outcome(scene.store->users().enrol_totp(scene.facts.alice)); }},
    {"confirm an authenticator",
     Start::primary,
     [](Scene& scene) {
         return outcome(scene.store->users().confirm_totp(
             scene.facts.carol,
             scene.facts.carols,
             code_at(scene.facts.carols_uri, scene.machine.run->wall())));
     }},
    {"remove an authenticator",
     Start::primary,
     [](Scene& scene) {
         return outcome(scene.store->users().remove_totp(scene.facts.bob, scene.facts.bobs.id));
     }},
    {"make recovery codes",
     Start::primary,
     [](Scene& scene) {
         return outcome(scene.store->users().make_recovery_codes(scene.facts.dave));
     }},
    {"clear failures",
     Start::primary,
     [](Scene& scene) { return scene.store->lockout().clear(scene.facts.dave); }},
    {"invite a node",
     Start::primary,
     [](Scene& scene) {
         return outcome(
             scene.store->nodes().invite({.name = "third", .addresses = {"hq.example:7700"}}));
     }},
    {"admit a node",
     Start::primary,
     [](Scene& scene) {
         return outcome(
             scene.store->links().store()->admit(scene.facts.request, scene.facts.edge_key));
     }},
    {"remove a node",
     Start::primary,
     [](Scene& scene) { return outcome(scene.store->nodes().remove(scene.facts.branch)); }},
    {"compact the log",
     Start::primary,
     [](Scene& scene) { return outcome(scene.store->log().compact()); },
     true,
     true},
    {"rewrap the master key",
     Start::primary,
     [](Scene& scene) { return scene.store->rewrap(memory_key('k')); }},
    {"do what falls due after ten days",
     Start::primary,
     [](Scene& scene) {
         scene.machine.run->pass(std::chrono::days{10});
         for (int i = 0; i < 4; ++i) {
             scene.store->run_due();
             scene.machine.run->pass(1s);
         }
         return Result<void>();
     },
     true,
     true,
     true},
    {"take a link's number",
     Start::primary,
     [](Scene& scene) { return outcome(scene.store->links().store()->next_link_counter()); }},
};

const Operation of_sign_in[] = {
    {"refuse a wrong password",
     Start::primary,
     [](Scene& scene) { return attempt(scene, "alice", "a wrong guess"); }},
    {"refuse an unknown name",
     Start::primary,
     [](Scene& scene) { return attempt(scene, "nobody", "a wrong guess"); }},
    {"accept a password, with failures to clear",
     Start::primary,
     [](Scene& scene) { return attempt(scene, "dave", good_password); }},
    {"accept a code",
     Start::primary,
     [](Scene& scene) {
         return attempt(
             scene, "bob", good_password, code_at(scene.facts.bobs.uri, scene.machine.run->wall()));
     }},
    {"refuse a wrong code",
     Start::primary,
     [](Scene& scene) { return attempt(scene, "bob", good_password, "000000"); }},
    {"refuse a wrong password on the branch",
     Start::branch,
     [](Scene& scene) { return attempt(scene, "alice", "a wrong guess"); }},
    {"accept a code on the branch",
     Start::branch,
     [](Scene& scene) {
         return attempt(
             scene, "bob", good_password, code_at(scene.facts.bobs.uri, scene.machine.run->wall()));
     }},
};

// Of other nodes.

const Operation of_a_replica[] = {
    {"join",
     Start::invited,
     [](Scene& scene) {
         return put(scene.store, Store::join(scene.options, scene.facts.invitation));
     },
     false},
    {"take up joining", Start::asking, [](Scene& scene) { return scene.open(); }, false},
    {"be admitted",
     Start::asking,
     [](Scene& scene) {
         return scene.store->links().store()->admitted(
             {.psk = scene.facts.psk.clone(), .secret = scene.facts.secret.clone()});
     }},
    {"hold a designation",
     Start::admitted,
     [](Scene& scene) {
         return scene.store->links().store()->add_designations(scene.facts.designations);
     }},
    {"begin a copy",
     Start::admitted,
     [](Scene& scene) { return outcome(scene.store->links().store()->begin_copy()); }},
    {"begin a copy anew",
     Start::copying,
     [](Scene& scene) { return outcome(scene.store->links().store()->begin_copy()); }},
    {"stage a page",
     Start::admitted,
     [](Scene& scene) {
         auto store = scene.store->links().store();
         if (auto begun = store->begin_copy(); !begun) return outcome(begun);
         return outcome(store->stage(scene.facts.pages.front()));
     },
     true,
     true},
    {"replay to the proof, and swap",
     Start::copying,
     [](Scene& scene) {
         return outcome(scene.store->links().store()->replay(scene.facts.replayed));
     }},
    {"replay a part",
     Start::copying,
     [](Scene& scene) {
         return outcome(
             scene.store->links().store()->replay(std::span(scene.facts.replayed).first(1)));
     }},
    {"accept batches",
     Start::branch,
     [](Scene& scene) { return outcome(scene.store->links().store()->accept(scene.facts.news)); }},
    {"be removed",
     Start::branch_news,
     [](Scene& scene) {
         return outcome(scene.store->links().store()->accept({&scene.facts.removal, 1}));
     }},
    {"open the branch", Start::branch, [](Scene& scene) { return scene.open(); }, false},
    {"copy over what was held",
     Start::branch,
     [](Scene& scene) {
         auto store = scene.store->links().store();
         if (auto begun = store->begin_copy(); !begun) return outcome(begun);
         for (const auto& page : scene.facts.pages) {
             if (auto staged = store->stage(page); !staged) return outcome(staged);
         }
         return outcome(store->replay(scene.facts.replayed));
     },
     true,
     true},
};

}  // namespace

std::span<const Operation> operations() {
    static const std::vector<Operation> all = [] {
        std::vector<Operation> list;
        for (const auto part : {std::span<const Operation>(of_the_primary),
                                std::span<const Operation>(of_sign_in),
                                std::span<const Operation>(of_a_replica)}) {
            list.insert(list.end(), part.begin(), part.end());
        }
        return list;
    }();
    return all;
}

}  // namespace countersign::testing
