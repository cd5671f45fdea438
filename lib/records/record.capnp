@0xb3f1c0de5ea1ed01;
# What the sealed part of each kind of record holds. Times are Unix milliseconds. A release that meets
# fields it does not know carries them through unchanged; numbers are never reused.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("countersign::records::schema");

struct User {
  login @0 :Text;              # RFC 8265 UsernameCaseMapped, as normalised
  displayName @1 :Text;
  email @2 :Text;              # as given
  disabled @3 :Bool;
  passwordHash @4 :Text;       # PHC string; empty: the user has no password
  passwordVersion @5 :UInt64;  # rises with every change but a re-hash; 0: never set
  passwordChanged @6 :Int64;
  authenticators @7 :List(Authenticator);
  recoveryVersion @8 :UInt64;  # which set of recovery codes; 0: none
  recoveryCodes @9 :List(Data);  # keyed BLAKE2b-128 of each code of the set
  created @10 :Int64;
  modified @11 :Int64;
  emailKey @12 :Text;          # the normalised form, of which the handle is; empty: the same as email
  recoveryMade @13 :Int64;     # when that set of recovery codes was made
}

struct Authenticator {
  id @0 :Data;          # 8 random bytes
  label @1 :Text;
  secret @2 :Data;      # 10 to 64 bytes
  algorithm @3 :UInt8;  # 1 SHA-1, 2 SHA-256, 3 SHA-512 (RFC 6238 section 1.2)
  digits @4 :UInt8;     # 6 to 8
  period @5 :UInt16;    # seconds
  confirmed @6 :Bool;   # counts as a second factor only then
  created @7 :Int64;
}

struct PoolSettings {
  issuer @0 :Text;               # the name that authenticator apps show
  unicodeVersion @1 :Text;       # of the tables that logins and passwords are normalised by
  uniqueEmail @2 :Bool;
  passwordMinimum @3 :UInt16;    # code points
  passwordMaximum @4 :UInt16;
  hashMemoryKib @5 :UInt32;      # Argon2id m of new hashes
  hashPasses @6 :UInt32;         # Argon2id t of new hashes
  passwordThrottle @7 :Throttle;
  codeThrottle @8 :Throttle;
  guessBudget @9 :UInt32;
}

struct Throttle {
  maxFailures @0 :UInt32;
  lockFor @1 :UInt32;   # milliseconds
  backoff @2 :UInt32;   # factor for each failure beyond maxFailures
  lockCap @3 :UInt32;   # milliseconds
}

# What the root key signs to let a node in: bytes of this struct, kind "invitation".
struct InvitationStatement {
  pool @0 :Data;
  admissionKey @1 :Data;  # Ed25519; whoever holds its secret half may join once
  name @2 :Text;
  capabilities @3 :UInt32;
  realms @4 :List(UInt16);
  created @5 :Int64;
  expires @6 :Int64;
}

# What the admission key signs on the new machine: bytes of this struct, kind "admission".
struct AdmissionStatement {
  pool @0 :Data;
  node @1 :Data;        # Ed25519
  channelKey @2 :Data;  # X25519
  tokenKey @3 :Data;    # Ed25519
}

struct SignedStatement {
  bytes @0 :Data;
  signature @1 :Data;
}

struct Invitation {
  statement @0 :SignedStatement;  # an InvitationStatement, signed by the root key
  psk @1 :Data;                   # of the joiner's first handshake
  spentBy @2 :Data;               # node id; empty: still open
}

struct Membership {
  invitation @0 :SignedStatement;  # an InvitationStatement, signed by the root key
  admission @1 :SignedStatement;   # an AdmissionStatement, signed by the admission key of the first
  addresses @2 :List(Text);        # host:port, in the order to try
  joined @3 :Int64;
}

# Of a node that was removed, under the id of its membership: up to which of its rows of attempts the
# primary had come. Later ones count nowhere.
struct Departure {
  node @0 :Data;
  rows @1 :List(RowPlace);
  removed @2 :Int64;
}

struct RowPlace {
  incarnation @0 :UInt64;
  rowSeq @1 :UInt64;
}

struct KeyGrant {
  node @0 :Data;
  realm @1 :UInt16;
  keys @2 :List(GrantedKey);
  granted @3 :Int64;
}

struct GrantedKey {
  version @0 :UInt32;
  box @1 :Data;  # the 32-byte data key in a sealed box to the node's channel key
}

# Bytes of this struct, kind "designation", signed by the root key or by the node itself.
struct Designation {
  pool @0 :Data;
  rootTerm @1 :UInt64;
  epoch @2 :UInt64;
  node @3 :Data;
  baseSeq @4 :UInt64;   # the successor continues after this batch
  baseHash @5 :Data;    # BLAKE2b-256 of that batch; 32 zero bytes when baseSeq is 0
  previous @6 :Data;    # BLAKE2b-256 of the designation before; 32 zero bytes for the first
  time @7 :Int64;
}

# Bytes of this struct, kind "pulse", signed by the primary.
struct Pulse {
  pool @0 :Data;
  rootTerm @1 :UInt64;
  epoch @2 :UInt64;
  node @3 :Data;
  seq @4 :UInt64;      # of its head at that time
  headHash @5 :Data;   # BLAKE2b-256 of that batch
  time @6 :Int64;
}
