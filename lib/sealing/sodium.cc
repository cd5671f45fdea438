#include "sealing/sodium.h"

#include <cstdlib>

#include <sodium.h>

namespace countersign::sealing {

void initialise_sodium() noexcept {
    static const bool ready = sodium_init() >= 0;
    if (!ready) std::abort();
}

}  // namespace countersign::sealing
