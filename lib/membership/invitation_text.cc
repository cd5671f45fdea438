#include "membership/invitation_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "sealing/base64url.h"
#include "sealing/hash.h"

namespace countersign::membership {
namespace {

constexpr std::string_view prefix = "csi1-";
constexpr std::size_t checksum_size = 4;
constexpr std::size_t max_size = 16 + 32 + 32 + 32 + 1 + max_addresses * (1 + max_address_size) + 4;

void append(Bytes& to, BytesView bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

BytesView checksum(const sealing::Hash256& hash) {
    return BytesView(hash.bytes).first(checksum_size);
}

/// Takes bytes from the front; remembers when there were too few.
class Reader {
  public:
    explicit Reader(BytesView bytes) : rest_(bytes) {}

    BytesView take(std::size_t size) {
        if (size > rest_.size()) {
            failed_ = true;
            return {};
        }
        return std::exchange(rest_, rest_.subspan(size)).first(size);
    }
    template <std::size_t Size>
    std::array<std::byte, Size> take() {
        std::array<std::byte, Size> array{};
        std::ranges::copy(take(Size), array.begin());
        return array;
    }
    bool done() const { return !failed_ && rest_.empty(); }

  private:
    BytesView rest_;
    bool failed_ = false;
};

}  // namespace

bool is_address(std::string_view text) noexcept {
    const auto colon = text.rfind(':');
    if (text.size() > max_address_size || colon == std::string_view::npos || colon == 0)
        return false;
    const auto host = text.substr(0, colon);
    const auto port = text.substr(colon + 1);
    const bool bracketed = host.front() == '[' && host.back() == ']' && host.size() > 2;
    if (host.find(':') != std::string_view::npos && !bracketed) return false;
    if (std::ranges::any_of(text, [](char c) { return c <= ' ' || c == 0x7f; })) return false;
    unsigned number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    return error == std::errc() && end == port.data() + port.size() && number >= 1 &&
           number <= 65'535;
}

bool are_addresses(const std::vector<std::string>& texts) noexcept {
    return texts.size() <= max_addresses && std::ranges::all_of(texts, is_address);
}

Secret print(const InvitationText& invitation) {
    Bytes bytes;
    append(bytes, invitation.pool.bytes);
    append(bytes, invitation.root_key);
    append(bytes, invitation.channel_key);
    append(bytes, invitation.seed.bytes());
    bytes.push_back(static_cast<std::byte>(invitation.addresses.size()));
    for (const auto& address : invitation.addresses) {
        bytes.push_back(static_cast<std::byte>(address.size()));
        append(bytes, std::as_bytes(std::span(address)));
    }
    append(bytes, checksum(sealing::hash256(bytes)));
    return Secret(std::string(prefix) + sealing::to_base64url(bytes));
}

Result<InvitationText> parse_invitation(std::string_view text) {
    const auto refuse = [](const char* why) { return Error(errc::invalid_invitation, why); };
    if (!text.starts_with(prefix)) return refuse("it does not begin with csi1-");
    const auto bytes = sealing::from_base64url(text.substr(prefix.size()), max_size);
    if (!bytes || bytes->size() < checksum_size) return refuse("copy it again, whole");
    const auto content = BytesView(*bytes).first(bytes->size() - checksum_size);
    if (!std::ranges::equal(checksum(sealing::hash256(content)),
                            BytesView(*bytes).last(checksum_size))) {
        return refuse("a part is missing or mistyped; copy it again, whole");
    }
    Reader reader(content);
    InvitationText invitation;
    invitation.pool.bytes = reader.take<PoolId::size>();
    invitation.root_key = reader.take<32>();
    invitation.channel_key = reader.take<32>();
    invitation.seed = Secret(reader.take(sealing::key_size));
    const auto count = std::to_integer<std::size_t>(reader.take<1>()[0]);
    for (std::size_t i = 0; i < count && i < max_addresses; ++i) {
        const auto size = std::to_integer<std::size_t>(reader.take<1>()[0]);
        const auto address = reader.take(size);
        invitation.addresses.emplace_back(reinterpret_cast<const char*>(address.data()),
                                          address.size());
    }
    if (!reader.done() || count == 0 || count > max_addresses ||
        !std::ranges::all_of(invitation.addresses, is_address)) {
        return refuse("it was not made by this kind of release");
    }
    return invitation;
}

InvitationKeys derive_keys(const Secret& seed) {
    const auto master = seed.bytes().first<sealing::key_size>();
    const auto name = sealing::derive_key(master, 1, "cs-invit");
    const auto admission = sealing::derive_key(master, 3, "cs-invit");
    InvitationKeys keys{.id = {},
                        .psk = sealing::derive_key(master, 2, "cs-invit"),
                        .admission_key = sealing::SigningKey(admission.view())};
    std::ranges::copy(name.view().first<RecordId::size>(), keys.id.bytes.begin());
    return keys;
}

}  // namespace countersign::membership
