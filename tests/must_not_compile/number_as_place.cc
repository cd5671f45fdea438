// A bare number is no place in the log.
// Refused: cannot convert|no matching function|cannot initialize|could not convert
#include "countersign/ids.h"

void read_from(countersign::LogSeq seq);

void read_all() {
#ifdef CONTROL
    read_from(countersign::LogSeq{1});
#else
    read_from(1);
#endif
}
