#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "channel/handshake_state.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::channel;
using countersign::testing::unhex;
using countersign::testing::vectors;
using Json = nlohmann::json;

namespace {

const std::string suite = "_25519_ChaChaPoly_SHA512";

/// Pre-messages ("<s" the responder's key is known, ">s" the initiator's) and messages of the
/// interactive patterns of the specification, section 7.5. psk modifiers are added by name.
const std::map<std::string, std::string> fundamental = {
    {"NN", "e / e ee"},
    {"NK", "<s e es / e ee"},
    {"NX", "e / e ee s es"},
    {"KN", ">s e / e ee se"},
    {"KK", ">s <s e es ss / e ee se"},
    {"KX", ">s e / e ee se s es"},
    {"XN", "e / e ee / s se"},
    {"XK", "<s e es / e ee / s se"},
    {"XX", "e / e ee s es / s se"},
    {"IN", "e s / e ee se"},
    {"IK", "<s e es s ss / e ee se"},
    {"IX", "e s / e ee se s es"},
};

struct ParsedPattern {
    std::string name;
    std::vector<std::vector<Token>> tokens{1};
    std::vector<std::span<const Token>> messages;
    HandshakePattern pattern;
};

/// No value for a pattern that is not interactive, or deferred, or has other modifiers.
std::unique_ptr<ParsedPattern> parse_pattern(const std::string& name) {
    const auto base = fundamental.find(name.substr(0, 2));
    if (base == fundamental.end()) return nullptr;
    auto parsed = std::make_unique<ParsedPattern>();
    parsed->name = name;
    parsed->pattern.name = parsed->name;
    const std::map<std::string, Token> words = {{"e", Token::e},
                                                {"s", Token::s},
                                                {"ee", Token::ee},
                                                {"es", Token::es},
                                                {"se", Token::se},
                                                {"ss", Token::ss}};
    std::istringstream stream(base->second);
    for (std::string word; stream >> word;) {
        if (word == "/") {
            parsed->tokens.emplace_back();
        } else if (word == "<s") {
            parsed->pattern.responder_known = true;
        } else if (word == ">s") {
            parsed->pattern.initiator_known = true;
        } else {
            parsed->tokens.back().push_back(words.at(word));
        }
    }
    std::string rest = name.substr(2);
    while (!rest.empty()) {
        if (rest.starts_with("+")) rest.erase(0, 1);
        if (!rest.starts_with("psk") || rest.size() < 4) return nullptr;
        const auto place = static_cast<std::size_t>(rest[3] - '0');
        if (place > parsed->tokens.size()) return nullptr;
        auto& message = parsed->tokens[place == 0 ? 0 : place - 1];
        message.insert(place == 0 ? message.begin() : message.end(), Token::psk);
        rest.erase(0, 4);
    }
    for (const auto& message : parsed->tokens) parsed->messages.emplace_back(message);
    parsed->pattern.messages = parsed->messages;
    return parsed;
}

/// `side` is "init" or "resp". The ephemeral key and the psks are given at once.
HandshakeState make_side(const HandshakePattern& pattern, const Json& vector, std::string side) {
    std::shared_ptr<const KeyPair> own;
    if (vector.contains(side + "_static")) {
        const std::string hex = vector[side + "_static"];
        own = std::make_shared<KeyPair>(KeyPair::from_private(Secret(unhex(hex))));
    }
    std::optional<ChannelKey> remote;
    if (vector.contains(side + "_remote_static")) {
        const std::string hex = vector[side + "_remote_static"];
        remote = ChannelKey::from_bytes(unhex(hex));
    }
    const std::string prologue = vector[side + "_prologue"];
    HandshakeState state(
        pattern, side == "init" ? Role::initiator : Role::responder, unhex(prologue), own, remote);
    const std::string ephemeral = vector[side + "_ephemeral"];
    state.set_ephemeral(Secret(unhex(ephemeral)));
    if (vector.contains(side + "_psks")) {
        for (const std::string hex : vector[side + "_psks"]) state.set_psk(Secret(unhex(hex)));
    }
    return state;
}

void check_transport(const Json& message, Session& sender, Session& receiver) {
    if (message.value("rekey_before", false)) {
        sender.rekey_sending();
        receiver.rekey_receiving();
    }
    const auto payload = unhex(message["payload"].get<std::string>());
    const auto expected = unhex(message["ciphertext"].get<std::string>());
    std::vector<std::byte> ciphertext(payload.size() + tag_size);
    REQUIRE(sender.write_message(payload, ciphertext));
    CHECK(ciphertext == expected);
    std::vector<std::byte> plaintext(payload.size());
    REQUIRE(receiver.read_message(ciphertext, plaintext));
    CHECK(plaintext == payload);
}

void check_vector(const HandshakePattern& pattern, const Json& vector) {
    HandshakeState initiator = make_side(pattern, vector, "init");
    HandshakeState responder = make_side(pattern, vector, "resp");
    std::optional<Session> initiator_session, responder_session;
    std::size_t index = 0;
    for (const Json& message : vector["messages"]) {
        const bool from_initiator =
            message.value("from", index % 2 == 0 ? "init" : "resp") == "init";
        ++index;
        if (initiator_session) {
            auto& sender = from_initiator ? initiator_session : responder_session;
            auto& receiver = from_initiator ? responder_session : initiator_session;
            check_transport(message, *sender, *receiver);
            continue;
        }
        HandshakeState& sender = from_initiator ? initiator : responder;
        HandshakeState& receiver = from_initiator ? responder : initiator;
        const auto payload = unhex(message["payload"].get<std::string>());
        REQUIRE(sender.my_turn());
        const auto written = sender.write_message(payload);
        REQUIRE(written);
        CHECK(*written == unhex(message["ciphertext"].get<std::string>()));
        const auto read = receiver.read_message(*written);
        REQUIRE(read);
        CHECK(*read == payload);
        if (!sender.complete()) continue;
        REQUIRE(receiver.complete());
        initiator_session = std::move(initiator).split();
        responder_session = std::move(responder).split();
        const Hash& hash = initiator_session->handshake_hash();
        CHECK(hash == responder_session->handshake_hash());
        CHECK(to_hex(hash) == vector["handshake_hash"].get<std::string>());
    }
    CHECK(initiator_session.has_value());
}

}  // namespace

TEST_CASE("channel: published Noise vectors of 25519, ChaChaPoly and SHA512: byte for byte") {
    int ran = 0;
    const auto files = vectors("noise");
    for (const auto& file : files) {
        for (const Json& vector : file.content.value("vectors", Json::array())) {
            const std::string name = vector["protocol_name"];
            CAPTURE(file.name);
            CAPTURE(name);
            // The channel has one suite; other hashes and ciphers have no code to test.
            if (!name.ends_with(suite)) continue;
            const auto parsed = parse_pattern(name.substr(6, name.size() - 6 - suite.size()));
            if (!parsed) {
                MESSAGE("skipped, pattern not interactive or not fundamental: " << name);
                continue;
            }
            check_vector(name == "Noise_IKpsk2" + suite ? ikpsk2 : parsed->pattern, vector);
            ++ran;
        }
    }
    if (!files.empty()) CHECK(ran >= 13);
}

TEST_CASE("channel: published bad Noise messages: refused, and the handshake is dead") {
    for (const auto& file : vectors("noise")) {
        if (!file.content.contains("negatives")) continue;
        const std::size_t base = file.content["negative_base_vector"];
        for (const Json& negative : file.content["negatives"]) {
            CAPTURE(negative["why"].get<std::string>());
            Json vector = file.content["vectors"][base];
            if (negative.contains("override")) vector.update(negative["override"]);
            const auto genuine = [&](std::size_t index) {
                return unhex(vector["messages"][index]["ciphertext"].get<std::string>());
            };
            const bool at_responder = negative["at"] == "responder";
            HandshakeState state = make_side(ikpsk2, vector, at_responder ? "resp" : "init");
            if (!at_responder) {
                const auto payload = unhex(vector["messages"][0]["payload"].get<std::string>());
                REQUIRE(state.write_message(payload));
            }
            const auto bad =
                unhex(negative[at_responder ? "message_1" : "message_2"].get<std::string>());
            const auto read = state.read_message(bad);
            REQUIRE_FALSE(read);
            CHECK(read.error() == errc::handshake_failed);
            CHECK_FALSE(state.remote_static());
            CHECK_FALSE(state.complete());
            const auto again = state.read_message(genuine(at_responder ? 0 : 1));
            REQUIRE_FALSE(again);
            CHECK(again.error() == errc::handshake_failed);
            CHECK_FALSE(state.write_message({}));
        }
    }
}
