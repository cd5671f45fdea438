// A Secret is copied by clone() alone, where the reader can see it.
// Refused: deleted
#include "countersign/secret.h"

countersign::Secret keep(const countersign::Secret& secret) {
#ifdef CONTROL
    return secret.clone();
#else
    return secret;
#endif
}
