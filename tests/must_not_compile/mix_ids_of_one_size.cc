// Ids of different kinds do not mix, not even those of one size.
// Refused: could not convert|cannot convert|no matching function|no viable conversion
#include "countersign/ids.h"

void erase(countersign::UserId user);

void forget([[maybe_unused]] countersign::RecordId record,
            [[maybe_unused]] countersign::UserId user) {
#ifdef CONTROL
    erase(user);
#else
    erase(record);
#endif
}
