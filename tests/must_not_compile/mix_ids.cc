// The id of a node is no id of a user.
// Refused: could not convert|cannot convert|no matching function
#include "countersign/ids.h"

void erase(countersign::UserId user);

void forget([[maybe_unused]] countersign::NodeId node, [[maybe_unused]] countersign::UserId user) {
#ifdef CONTROL
    erase(user);
#else
    erase(node);
#endif
}
