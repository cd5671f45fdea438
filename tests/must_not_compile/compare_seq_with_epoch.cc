// A place in the log and a count of designations are not to be compared.
// Refused: no match for|invalid operands
#include "countersign/ids.h"

bool newer(countersign::LogSeq seq, countersign::LogSeq other, countersign::Epoch epoch) {
#ifdef CONTROL
    static_cast<void>(epoch);
    return seq > other;
#else
    static_cast<void>(other);
    return seq > epoch;
#endif
}
