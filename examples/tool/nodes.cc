// invite, nodes list|remove|confirm
#include <algorithm>
#include <nlohmann/json.hpp>

#include "commands.h"

namespace tool {
namespace {

Json may_of(cs::Capability may) {
    constexpr std::pair<cs::Capability, const char*> names[] = {
        {cs::Capability::serve, "serve"},
        {cs::Capability::stand, "stand"},
        {cs::Capability::propose, "propose"},
        {cs::Capability::administer, "administer"},
        {cs::Capability::tokens, "tokens"}};
    auto list = Json::array();
    for (const auto& [capability, name] : names) {
        if (includes(may, capability)) list.push_back(name);
    }
    return list;
}

Json to_json(const cs::NodeInfo& node) {
    auto realms = Json::array();
    for (const auto realm : node.realms) realms.push_back(cs::value(realm));
    return {{"id", cs::to_string(node.id)},
            {"name", node.name},
            {"primary", node.is_primary},
            {"self", node.is_self},
            {"may", may_of(node.may)},
            {"realms", std::move(realms)},
            {"addresses", node.addresses},
            {"joined", time_text(node.joined)}};
}

std::string to_line(const cs::NodeInfo& node) {
    std::string line = node.name + "\t" + cs::to_string(node.id).substr(0, 16) + "\t";
    line += node.is_primary ? "primary" : "replica";
    line += node.is_self ? ", this one\t" : "\t";
    for (const auto& may : may_of(node.may)) line += may.get<std::string>() + " ";
    for (const auto& address : node.addresses) line += "\t" + printable(address);
    return line;
}

}  // namespace

Outcome run(const MakeInvitation& invite, Session& session) {
    auto store = session.open(invite.at);
    if (!store) return store.error();
    std::vector<cs::RealmId> realms;
    for (const auto realm : invite.realms) realms.push_back(cs::RealmId{realm});
    std::shared_ptr<cs::KeyProvider> root_provider;
    if (invite.root_key.given()) {
        auto provider =
            session.key(invite.root_key, invite.at.directory, "passphrase of the root key");
        if (!provider) return provider.error();
        root_provider = std::move(*provider);
    }
    const auto text = store->nodes().invite({.name = invite.name,
                                             .may = invite.may,
                                             .realms = std::move(realms),
                                             .addresses = invite.addresses,
                                             .expires_in = invite.expires_in,
                                             .root_file = invite.root_file,
                                             .root_key_provider = std::move(root_provider)});
    if (!text) return text.error();
    session.output.show({{"invitation", std::string(text->text())},
                         {"name", invite.name},
                         {"expires_in_ms", invite.expires_in.count()}},
                        text->text());
    session.output.note("good once, for " + span_text(invite.expires_in) +
                        ", and secret until then; on the new machine: countersign join DIR "
                        "INVITATION");
    return Exit::done;
}

Outcome run(const NodesList& list, Session& session) {
    auto store = session.open(list.at);
    if (!store) return store.error();
    const auto nodes = store->nodes().list();
    if (!nodes) return nodes.error();
    for (const auto& node : *nodes) session.output.show(to_json(node), to_line(node));
    return Exit::done;
}

Outcome run(const NodesRemove& remove, Session& session) {
    auto store = session.open(remove.at);
    if (!store) return store.error();
    const auto nodes = store->nodes().list();
    if (!nodes) return nodes.error();
    const auto node = std::ranges::find_if(*nodes, [&](const cs::NodeInfo& each) {
        return each.name == remove.node || cs::to_string(each.id) == remove.node;
    });
    if (node == nodes->end()) {
        return cs::Error(cs::errc::not_found,
                         "no node has the name or id " + printable(remove.node) +
                             "; 'countersign nodes list' shows all");
    }
    const std::string question = "Remove " + node->name + " from the pool?";
    if (!remove.yes && !session.input.confirmed(question)) {
        return cs::Error(cs::errc::cancelled, "nothing was removed");
    }
    const auto seq = store->nodes().remove(node->id);
    if (!seq) return seq.error();
    session.output.show(
        {{"id", cs::to_string(node->id)}, {"name", node->name}, {"seq", cs::value(*seq)}},
        "removed " + node->name + "; what it holds it knows: where that machine is " +
            "in wrong hands, have its users change their passwords");
    return Exit::done;
}

Outcome run(const NodesConfirm& confirm, Session& session) {
    auto store = session.open(confirm.at);
    if (!store) return store.error();
    if (const auto done = store->confirm_primary(); !done) return done.error();
    session.output.show({{"confirmed", true}}, "confirmed: this directory writes again");
    return Exit::done;
}

}  // namespace tool
