#pragma once

namespace countersign::sealing {

/// Must have run before any other call of libsodium; cheap when it has. Ends the program when
/// libsodium cannot start, because nothing would be safe after that.
void initialise_sodium() noexcept;

}  // namespace countersign::sealing
