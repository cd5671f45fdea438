// A string becomes a Secret only where the code says so: else the string would stay behind unseen.
// Refused: could not convert|no matching function
#include <string>

#include "countersign/secret.h"

void sign_in(countersign::Secret password);

void form(std::string typed) {
#ifdef CONTROL
    sign_in(countersign::Secret(std::move(typed)));
#else
    sign_in(typed);
#endif
}
