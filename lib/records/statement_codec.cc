#include "records/codec.h"
#include "records/flat_message.h"
#include "records/record.capnp.h"

namespace countersign::records {
namespace {

using flat::time;
using flat::unix_ms;

void write_signed(schema::SignedStatement::Builder to, const SignedStatement& from) {
    to.setBytes(flat::view(from.bytes));
    to.setSignature(flat::view(from.signature.bytes));
}

SignedStatement read_signed(schema::SignedStatement::Reader from) {
    return {.bytes = flat::to_bytes(from.getBytes()),
            .signature = flat::id<sealing::Signature>(from.getSignature())};
}

}  // namespace

Bytes encode(const InvitationStatement& statement) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schema::InvitationStatement>();
    root.setPool(flat::view(statement.pool.bytes));
    root.setAdmissionKey(flat::view(statement.admission_key));
    root.setName(flat::text(statement.name));
    root.setCapabilities(value(statement.capabilities));
    auto realms = root.initRealms(static_cast<unsigned>(statement.realms.size()));
    for (unsigned i = 0; i < realms.size(); ++i) realms.set(i, value(statement.realms[i]));
    root.setCreated(unix_ms(statement.created));
    root.setExpires(unix_ms(statement.expires));
    return flat::write(message);
}

Result<InvitationStatement> decode_invitation_statement(BytesView bytes) {
    InvitationStatement to;
    const auto read =
        flat::read<schema::InvitationStatement>(bytes, "an invitation statement", [&](auto root) {
            to.pool = flat::id<PoolId>(root.getPool());
            to.admission_key = flat::sized<sealing::PublicKey>(root.getAdmissionKey());
            to.name = flat::to_string(root.getName());
            to.capabilities = Capability{root.getCapabilities()};
            for (const auto realm : root.getRealms()) to.realms.push_back(RealmId{realm});
            to.created = time(root.getCreated());
            to.expires = time(root.getExpires());
        });
    if (!read) return read.error();
    return to;
}

Bytes encode(const AdmissionStatement& statement) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schema::AdmissionStatement>();
    root.setPool(flat::view(statement.pool.bytes));
    root.setNode(flat::view(statement.node.bytes));
    root.setChannelKey(flat::view(statement.channel_key));
    root.setTokenKey(flat::view(statement.token_key));
    return flat::write(message);
}

Result<AdmissionStatement> decode_admission_statement(BytesView bytes) {
    AdmissionStatement to;
    const auto read =
        flat::read<schema::AdmissionStatement>(bytes, "an admission statement", [&](auto root) {
            to.pool = flat::id<PoolId>(root.getPool());
            to.node = flat::id<NodeId>(root.getNode());
            to.channel_key = flat::sized<sealing::PublicKey>(root.getChannelKey());
            to.token_key = flat::sized<sealing::PublicKey>(root.getTokenKey());
        });
    if (!read) return read.error();
    return to;
}

Bytes encode(const Invitation& invitation, BytesView before) {
    capnp::MallocMessageBuilder message;
    auto root = flat::start<schema::Invitation>(message, before);
    write_signed(root.getStatement(), invitation.statement);
    root.setPsk(flat::view(invitation.psk));
    root.setSpentBy(invitation.spent_by ? flat::view(invitation.spent_by->bytes)
                                        : kj::ArrayPtr<const kj::byte>());
    return flat::write(message, !before.empty());
}

Result<Invitation> decode_invitation(BytesView bytes) {
    Invitation to;
    const auto read = flat::read<schema::Invitation>(bytes, "an invitation", [&](auto root) {
        to.statement = read_signed(root.getStatement());
        to.psk = flat::to_bytes(root.getPsk());
        KJ_REQUIRE(to.psk.size() == 32, "a psk of another size");
        const auto spent_by = root.getSpentBy();
        if (spent_by.size() != 0) to.spent_by = flat::id<NodeId>(spent_by);
    });
    if (!read) return read.error();
    return to;
}

Bytes encode(const Membership& membership, BytesView before) {
    capnp::MallocMessageBuilder message;
    auto root = flat::start<schema::Membership>(message, before);
    write_signed(root.getInvitation(), membership.invitation);
    write_signed(root.getAdmission(), membership.admission);
    auto addresses = root.initAddresses(static_cast<unsigned>(membership.addresses.size()));
    for (unsigned i = 0; i < addresses.size(); ++i) {
        addresses.set(i, flat::text(membership.addresses[i]));
    }
    root.setJoined(unix_ms(membership.joined));
    return flat::write(message, !before.empty());
}

Result<Membership> decode_membership(BytesView bytes) {
    Membership to;
    const auto read = flat::read<schema::Membership>(bytes, "a membership", [&](auto root) {
        to.invitation = read_signed(root.getInvitation());
        to.admission = read_signed(root.getAdmission());
        for (const auto& address : root.getAddresses()) {
            to.addresses.push_back(flat::to_string(address));
        }
        to.joined = time(root.getJoined());
    });
    if (!read) return read.error();
    return to;
}

Bytes encode(const KeyGrant& grant) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schema::KeyGrant>();
    root.setNode(flat::view(grant.node.bytes));
    root.setRealm(value(grant.realm));
    auto keys = root.initKeys(static_cast<unsigned>(grant.keys.size()));
    for (unsigned i = 0; i < keys.size(); ++i) {
        keys[i].setVersion(value(grant.keys[i].version));
        keys[i].setBox(flat::view(grant.keys[i].box));
    }
    root.setGranted(unix_ms(grant.granted));
    return flat::write(message);
}

Result<KeyGrant> decode_key_grant(BytesView bytes) {
    KeyGrant to;
    const auto read = flat::read<schema::KeyGrant>(bytes, "a key grant", [&](auto root) {
        to.node = flat::id<NodeId>(root.getNode());
        to.realm = RealmId{root.getRealm()};
        for (const auto& key : root.getKeys()) {
            to.keys.push_back({KeyVersion{key.getVersion()}, flat::to_bytes(key.getBox())});
        }
        to.granted = time(root.getGranted());
    });
    if (!read) return read.error();
    return to;
}

Bytes encode(const Departure& departure) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schema::Departure>();
    root.setNode(flat::view(departure.node.bytes));
    auto rows = root.initRows(static_cast<unsigned>(departure.rows.size()));
    for (unsigned i = 0; i < rows.size(); ++i) {
        rows[i].setIncarnation(value(departure.rows[i].incarnation));
        rows[i].setRowSeq(value(departure.rows[i].row_seq));
    }
    root.setRemoved(unix_ms(departure.removed));
    return flat::write(message);
}

Result<Departure> decode_departure(BytesView bytes) {
    Departure to;
    const auto read = flat::read<schema::Departure>(bytes, "a departure", [&](auto root) {
        to.node = flat::id<NodeId>(root.getNode());
        for (const auto& place : root.getRows()) {
            to.rows.push_back({Incarnation{place.getIncarnation()}, RowSeq{place.getRowSeq()}});
        }
        to.removed = time(root.getRemoved());
    });
    if (!read) return read.error();
    return to;
}

Bytes encode(const Designation& designation) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schema::Designation>();
    root.setPool(flat::view(designation.pool.bytes));
    root.setRootTerm(value(designation.root_term));
    root.setEpoch(value(designation.epoch));
    root.setNode(flat::view(designation.node.bytes));
    root.setBaseSeq(value(designation.base_seq));
    root.setBaseHash(flat::view(designation.base_hash.bytes));
    root.setPrevious(flat::view(designation.previous.bytes));
    root.setTime(unix_ms(designation.time));
    return flat::write(message);
}

Result<Designation> decode_designation(BytesView bytes) {
    Designation to;
    const auto read = flat::read<schema::Designation>(bytes, "a designation", [&](auto root) {
        to.pool = flat::id<PoolId>(root.getPool());
        to.root_term = RootTerm{root.getRootTerm()};
        to.epoch = Epoch{root.getEpoch()};
        to.node = flat::id<NodeId>(root.getNode());
        to.base_seq = LogSeq{root.getBaseSeq()};
        to.base_hash = flat::id<sealing::Hash256>(root.getBaseHash());
        to.previous = flat::id<sealing::Hash256>(root.getPrevious());
        to.time = time(root.getTime());
    });
    if (!read) return read.error();
    return to;
}

Bytes encode(const Pulse& pulse) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schema::Pulse>();
    root.setPool(flat::view(pulse.pool.bytes));
    root.setRootTerm(value(pulse.root_term));
    root.setEpoch(value(pulse.epoch));
    root.setNode(flat::view(pulse.node.bytes));
    root.setSeq(value(pulse.seq));
    root.setHeadHash(flat::view(pulse.head_hash.bytes));
    root.setTime(unix_ms(pulse.time));
    return flat::write(message);
}

Result<Pulse> decode_pulse(BytesView bytes) {
    Pulse to;
    const auto read = flat::read<schema::Pulse>(bytes, "a pulse", [&](auto root) {
        to.pool = flat::id<PoolId>(root.getPool());
        to.root_term = RootTerm{root.getRootTerm()};
        to.epoch = Epoch{root.getEpoch()};
        to.node = flat::id<NodeId>(root.getNode());
        to.seq = LogSeq{root.getSeq()};
        to.head_hash = flat::id<sealing::Hash256>(root.getHeadHash());
        to.time = time(root.getTime());
    });
    if (!read) return read.error();
    return to;
}

}  // namespace countersign::records
