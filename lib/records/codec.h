#pragma once

#include "countersign/error.h"

#include "records/pool_settings.h"
#include "records/statements.h"
#include "records/user.h"

namespace countersign::records {

// The bytes of record.capnp's structs. Decoding refuses anything that is not exactly one
// well-formed message within the limits: errc::malformed.

/// Limits of what a user's record may hold; command execution refuses more, decoding too.
constexpr std::size_t authenticators_limit = 8;
constexpr std::size_t recovery_codes_limit = 32;
constexpr std::size_t totp_secret_minimum = 10;
constexpr std::size_t totp_secret_maximum = 64;

/// `before` is the record's former content: what a newer release put there stays.
Bytes encode(const User& user, BytesView before = {});
Result<User> decode_user(BytesView bytes);

Bytes encode(const PoolSettings& settings, BytesView before = {});
Result<PoolSettings> decode_pool_settings(BytesView bytes);

Bytes encode(const InvitationStatement& statement);
Result<InvitationStatement> decode_invitation_statement(BytesView bytes);
Bytes encode(const AdmissionStatement& statement);
Result<AdmissionStatement> decode_admission_statement(BytesView bytes);

Bytes encode(const Invitation& invitation, BytesView before = {});
Result<Invitation> decode_invitation(BytesView bytes);
Bytes encode(const Membership& membership, BytesView before = {});
Result<Membership> decode_membership(BytesView bytes);
Bytes encode(const KeyGrant& grant);
Result<KeyGrant> decode_key_grant(BytesView bytes);

Bytes encode(const Departure& departure);
Result<Departure> decode_departure(BytesView bytes);

Bytes encode(const Designation& designation);
Result<Designation> decode_designation(BytesView bytes);

Bytes encode(const Pulse& pulse);
Result<Pulse> decode_pulse(BytesView bytes);

}  // namespace countersign::records
