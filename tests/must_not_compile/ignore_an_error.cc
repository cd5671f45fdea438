// An Error on its own is looked at too.
// Refused: ignoring return(ed)? value
#include "countersign/error.h"

countersign::Error close_link();

bool stop() {
#ifdef CONTROL
    return close_link() == countersign::Remedy::stop;
#else
    close_link();
    return true;
#endif
}
