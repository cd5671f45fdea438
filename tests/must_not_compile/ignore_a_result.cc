// A Result is looked at: dropping one would drop a failure.
// Refused: ignoring return(ed)? value
#include "countersign/error.h"

countersign::Result<int> write();

void save() {
#ifdef CONTROL
    if (!write()) return;
#else
    write();
#endif
}
