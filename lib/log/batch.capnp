@0xb3f1c0de5ea1ed02;
# One commit of the primary: what is signed, chained, stored and shipped as these bytes. Numbers are
# never reused.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("countersign::log::schema");

struct Batch {
  pool @0 :Data;            # 16 bytes
  rootTerm @1 :UInt64;      # of the designation under which it was written
  epoch @2 :UInt64;         # of that designation
  node @3 :Data;            # 32 bytes: who wrote and signed it
  seq @4 :UInt64;           # 1 for the first of the pool
  previous @5 :Data;        # BLAKE2b-256 of the bytes of batch seq - 1; 32 zero bytes for the first
  time @6 :Int64;           # Unix milliseconds; never below that of the batch before
  digest @7 :Data;          # BLAKE2b-256 of the LtHash state over all records after this batch
  featureLevel @8 :UInt16;  # a node that knows only lower levels must not apply it
  changes @9 :List(Change);
}

struct Change {
  kind @0 :UInt16;
  id @1 :Data;  # 16 bytes
  union {
    put :group {
      sealed @2 :Data;
      handles @3 :Data;  # 16 bytes each, ascending, no two alike
    }
    erase @4 :Void;
  }
}
