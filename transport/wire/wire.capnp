@0xb3f1c0de5ea1ed04;
# What the two ends of a link say to each other, one message a frame (transport/README.md tells who says
# what, when, and what answers it). Numbers are never reused. Times are Unix milliseconds, sizes bytes.
# Sizes of byte strings that are not said here are those of the ids: pool and record 16, node 32,
# hash 32, signature 64.
#
# Fields that a release does not know are ignored. So is a whole message that it does not know, if the
# peer's hello announced a higher level than its own; from a peer of the same or a lower level it is an
# error. A message that the other side must understand is sent to peers of its level or above only.
# Batches, statements and records are carried as the bytes that were signed, known or not.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("countersign::wire::schema");

struct Message {
  union {
    hello @0 :Hello;
    designations @1 :List(Signed);  # those that the peer's hello does not name; may be empty
    join @2 :Join;
    admit @3 :Admit;
    follow @4 :Follow;
    batches @5 :List(Envelope);     # ascending without a gap
    ack @6 :Ack;
    pulse @7 :Signed;
    copyRequest @8 :CopyRequest;
    page @9 :Page;
    staged @10 :UInt64;             # pages since the last copyRequest that are on disk
    gone @11 :Void;                 # what was asked for is no longer in the log: begin a copy
    ping @12 :Ping;
    pong @13 :Ping;
    removed @14 :Removed;
    goodbye @15 :Goodbye;
    repair @16 :Repair;
    buckets @17 :Buckets;
    # From level 2 on:
    holds @18 :List(AuthorPlace);   # the sender's vector, rising by (node, incarnation); at most 16,384
    rows @19 :Rows;
    rowsStored @20 :UInt64;         # how many `rows` of this link are on disk
    # From 21 on: receipts; claim, granted; proposal, outcome; attempt, verdict.
  }
}

# The payload of Noise message 1, at most 1,024 bytes.
struct Opening {
  wireVersion @0 :UInt16;
  invitation @1 :Data;      # 16 bytes: the joiner's invitation; empty: the sender is a member
}

struct Hello {
  level @0 :UInt16;         # of this protocol, that the sender speaks; the first is 1
  node @1 :Data;
  name @2 :Text;            # at most 64 bytes
  incarnation @3 :UInt64;
  linkCounter @4 :UInt64;   # durable; never used twice by one incarnation
  head @5 :Head;
  known @6 :List(DesignationKey);  # at most 4,096
  window @7 :UInt32;        # bytes of batches or pages that may be under way to the sender
}

struct Head {
  rootTerm @0 :UInt64;
  epoch @1 :UInt64;
  node @2 :Data;            # who signed that batch
  seq @3 :UInt64;           # 0: the log is empty
  hash @4 :Data;
  time @5 :Int64;
}

struct DesignationKey {
  rootTerm @0 :UInt64;
  epoch @1 :UInt64;
  node @2 :Data;
}

# A statement's exact bytes, at most 64 KiB, and the signature over them.
struct Signed {
  bytes @0 :Data;
  signature @1 :Data;
}

struct Join {
  invitation @0 :Data;           # 16 bytes
  admission @1 :Signed;          # the joiner's public keys, signed by the invitation's admission key
  addresses @2 :List(Text);      # host:port, at most 16 of at most 256 bytes
}

struct Admit {
  psk @0 :Data;                  # 32 bytes: of members' handshakes
  secret @1 :Data;               # 32 bytes: of which index key and digest key are made
}

struct Follow {
  after @0 :UInt64;              # send batches from the next one on, and go on with new ones; all up
                                 # to this are on disk, unless:
  inCopy @1 :Bool;               # they are for a copy that is not proved yet; keep them meanwhile
}

# A batch as it is stored; its inside says the same four again.
struct Envelope {
  rootTerm @0 :UInt64;
  epoch @1 :UInt64;
  node @2 :Data;
  seq @3 :UInt64;
  signature @4 :Data;
  bytes @5 :Data;                # at most 8 MiB
}

struct Ack {
  seq @0 :UInt64;                # all up to this are on disk
  inCopy @1 :Bool;               # in the staging tables of a copy that is not proved yet
}

struct CopyRequest {
  after @0 :RecordKey;           # none: from the first record
  first @1 :UInt64;              # the lowest moment of pages held already; 0: none are
}

struct RecordKey {
  kind @0 :UInt16;
  id @1 :Data;
}

struct Page {
  moment @0 :UInt64;             # seq of the sender's head when these were read
  records @1 :List(Record);      # ascending by (kind, id); at most 256 KiB of sealed and handles
  last @2 :Bool;                 # none follow
}

struct Record {
  kind @0 :UInt16;
  id @1 :Data;
  seq @2 :UInt64;                # of the batch that last wrote it
  sealed @3 :Data;
  handles @4 :Data;              # 16 bytes each
}

# What a store whose records are not all what was signed asks of one whose are, in this order. Bit
# n % 8 of byte n / 8 says whether n is meant.
struct Repair {
  union {
    begin @0 :UInt64;            # the seq of the sender's head: keep a snapshot, and say its buckets
    compare @1 :Data;            # 32 bytes: say the leaves of these buckets
    fetch @2 :Data;              # 8,192 bytes: send the records of these leaves, as pages
    end @3 :Void;                # the snapshot is not needed any more
  }
}

# What the records of one snapshot add up to.
struct Buckets {
  moment @0 :UInt64;             # seq of the sender's head in it; 0: not now, ask again later
  sound @1 :Bool;                # false: the sender's own records are not what was signed
  bucket @2 :UInt16;             # 0 to 255: these are its leaves; 256: these are the buckets
  sums @3 :Data;                 # 256 of 16 bytes; empty when not sound
}

# Up to which of its rows the sender holds what one life of a node has seen of attempts.
struct AuthorPlace {
  node @0 :Data;
  incarnation @1 :UInt64;
  rowSeq @2 :UInt64;             # at least 1
}

# Both kinds of rows share one count, and are one stream: of two, neither could say without the other
# up to where everything has come.
struct Rows {
  runs @0 :List(RowRun);         # at most 1,024, and 4,096 rows in all, of 512 KiB
  all @1 :Bool;                  # the sender holds nothing that the receiver has not been sent
}

struct RowRun {
  node @0 :Data;
  incarnation @1 :UInt64;
  after @2 :UInt64;              # the receiver is known to hold the author's rows up to this
  rows @3 :List(Row);            # the next that the sender holds, at least one, rising by rowSeq
}

struct Row {
  rowSeq @0 :UInt64;             # the inside says the same
  kind @1 :UInt16;               # 1 tally, 2 spent
  signature @2 :Data;            # by the run's node
  bytes @3 :Data;                # at most 16 KiB
}

struct Ping {
  number @0 :UInt64;             # the pong repeats it
  head @1 :Head;
}

struct Removed {
  batch @0 :Envelope;            # the one that removed the receiver; none: retention has let go of it
}

struct Goodbye {
  code @0 :UInt16;               # of enum errc (countersign/error.h); 701 link_closed: come back
  reason @1 :Text;               # for people; at most 1 KiB
}
