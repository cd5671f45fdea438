// What holds a node's keys: its secrets, wrapped keys, key files, the root key's file. The first
// byte chooses which.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "fuzz/fuzz.h"
#include "membership/root_key.h"
#include "sealing/argon2.h"
#include "sealing/keyring.h"
#include "support/test_environment.h"

namespace countersign::fuzz {
namespace {

using sealing::Key;

const KeyContext context{filled_id<PoolId>(1), filled_id<NodeId>(2)};

Key key_of(int byte) {
    return Key(Secret(Bytes(sealing::key_size, static_cast<std::byte>(byte))));
}

/// As open_secrets wants them sealed (keyring.h): so that what is inside can be anything.
Bytes sealed_secrets(BytesView plain, const sealing::Nonce& nonce, sealing::KeyView master) {
    const std::byte format{1};
    const auto data =
        joined({context.pool.bytes, context.node.bytes, view_of("keyring"), {&format, 1}});
    return joined({{&format, 1}, nonce.bytes, sealing::seal(plain, data, nonce, master)});
}

void check_secrets(BytesView blob) {
    const auto master = key_of(3);
    const auto opened = sealing::open_secrets(blob, context, master);
    if (!opened) {
        return require_documented(opened.error(),
                                  {errc::wrong_key, errc::corrupt, errc::newer_format});
    }
    require(opened->keyring.data_keys().size() <= sealing::Keyring::max_data_keys,
            "data keys within their limit");
    const auto nonce = sealing::Nonce::from_bytes(blob.subspan(1, sealing::Nonce::size));
    require(
        std::ranges::equal(
            sealing::seal_secrets(opened->node, opened->keyring, context, master, *nonce), blob),
        "secrets have one form");
}

void check_unwrapped(const Result<Secret>& key, std::initializer_list<errc> documented) {
    if (!key) return require_documented(key.error(), documented);
    require(key->size() == KeyProvider::wrapped_key_size, "a wrapped key is 32 bytes");
}

void check_wrapped(BytesView wrapped) {
    static const auto callback = key_callback(
        [](const Secret& key, const KeyContext&) -> Result<Bytes> {
            return Bytes(key.bytes().begin(), key.bytes().end());
        },
        [](BytesView body, const KeyContext&) -> Result<Secret> { return Secret(body); });
    check_unwrapped(callback->unwrap(wrapped, context),
                    {errc::wrong_key, errc::corrupt, errc::newer_format});
    // Within its limits a cost is honoured, which takes longer than a fuzzer has: bytes 2 to 9.
    Input costs(wrapped.subspan(std::min<std::size_t>(2, wrapped.size())));
    const std::uint64_t memory_kib = costs.number<std::uint32_t>();
    const std::uint64_t passes = costs.number<std::uint32_t>();
    const bool refused =
        memory_kib > sealing::max_argon2_memory_kib || passes > sealing::max_argon2_passes;
    if (!refused && memory_kib * passes > 256) return;
    static const auto provider = passphrase(Secret("correct horse"));
    check_unwrapped(provider->unwrap(wrapped, context),
                    {errc::wrong_key, errc::corrupt, errc::newer_format, errc::out_of_memory});
}

struct Files {
    std::string directory = (std::filesystem::temp_directory_path() / "fuzz-XXXXXX").string();
    testing::TestEnvironment environment;

    Files() { require(::mkdtemp(directory.data()) != nullptr, "a directory can be made"); }
    ~Files() { std::filesystem::remove_all(directory); }
};
Files& files() {
    static Files all;
    return all;
}

void check_key_file(BytesView content) {
    const auto path = files().directory + "/key";
    require(files().environment.write_file(path, content, false).has_value(), "the disk works");
    const auto wrapped = key_file(path)->wrap(
        Secret(Bytes(sealing::key_size)), context, std::array<std::byte, 48>{});
    require(wrapped.has_value() == (content.size() == sealing::key_size), "a key file is 32 bytes");
    if (!wrapped) return require_documented(wrapped.error(), {errc::wrong_key});
    require(key_file(path)->unwrap(*wrapped, context).has_value(), "and opens what it wrapped");
}

/// Wraps by doing nothing, so that a fuzzer can write what would be sealed.
class Bare final : public KeyProvider {
  public:
    Result<Bytes> wrap(const Secret& key, const KeyContext&, Entropy) override {
        return Bytes(key.bytes().begin(), key.bytes().end());
    }
    Result<Secret> unwrap(BytesView wrapped, const KeyContext&) override { return Secret(wrapped); }
    std::string describe() const override { return "nothing"; }
};

void check_root_key(BytesView content) {
    const auto path = files().directory + "/root";
    auto& environment = files().environment;
    require(environment.write_file(path, content, false).has_value(), "the disk works");
    Bare provider;
    const auto key = membership::read_root_key(path, context.pool, provider, environment);
    if (!key) {
        return require_documented(
            key.error(), {errc::malformed, errc::wrong_pool, errc::wrong_key, errc::too_large});
    }
    require(membership::rewrap_root_key(path, context.pool, provider, provider, environment)
                .has_value(),
            "a root key that is read can be wrapped anew");
    const auto file = environment.read_file(path, 1 << 20);
    require(file && *file && **file == Bytes(content.begin(), content.end()),
            "wrapped as it was, its file is the same");
}

void run(BytesView input) {
    Input from(input);
    switch (from.number<std::uint8_t>() % 5u) {
        case 0:
            return check_secrets(from.rest());
        case 1:
            return check_secrets(
                sealed_secrets(from.rest(), filled_id<sealing::Nonce>(5), key_of(3)));
        case 2:
            return check_wrapped(from.rest());
        case 3:
            return check_key_file(from.rest());
        default:
            return check_root_key(from.rest());
    }
}

std::vector<Bytes> seeds() {
    const auto master = key_of(3);
    const sealing::NodeSecrets node{key_of(4), key_of(5), key_of(6)};
    sealing::Keyring keyring(key_of(7), key_of(8));
    (void)keyring.add(RealmId{1}, KeyVersion{1}, key_of(9));
    (void)keyring.add(RealmId{1}, KeyVersion{2}, key_of(10));
    const auto nonce = filled_id<sealing::Nonce>(5);
    const auto blob = sealing::seal_secrets(node, keyring, context, master, nonce);
    std::vector<Bytes> all{with_choice(0, blob)};
    const auto data = joined(
        {context.pool.bytes, context.node.bytes, view_of("keyring"), BytesView(blob).first(1)});
    const auto plain =
        sealing::open(BytesView(blob).subspan(1 + sealing::Nonce::size), data, nonce, master);
    all.push_back(with_choice(1, plain->bytes()));
    const Bytes key(sealing::key_size, std::byte{11});
    for (const std::string_view header :
         {std::string_view("\x01\x01", 2),
          std::string_view("\x02\x01\x08\x00\x00\x00\x01\x00\x00\x00", 10),
          std::string_view("\x03\x01", 2)}) {
        const std::size_t rest = header[0] == 1 ? 72 : header[0] == 2 ? 88 : 32;
        all.push_back(with_choice(2, joined({view_of(header), Bytes(rest)})));
    }
    all.push_back(with_choice(3, key));
    const sealing::SigningKey root(BytesView(key).first<32>());
    all.push_back(with_choice(
        4,
        joined({view_of("countersign root key 1\n"), context.pool.bytes, root.public_key(), key})));
    return all;
}

const Target target("keys", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
