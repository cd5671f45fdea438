// A Secret goes into no stream.
// Refused: no match for|invalid operands
#include <ostream>

#include "countersign/secret.h"

void log(std::ostream& stream, const countersign::Secret& secret) {
#ifdef CONTROL
    stream << secret.size();
#else
    stream << secret;
#endif
}
