#include "shown_links.h"

#include <string>

#include <doctest/doctest.h>

using namespace countersign;

namespace {

NodeId node(int byte) {
    NodeId id;
    id.bytes.fill(static_cast<std::byte>(byte));
    return id;
}

std::string times(int count, const std::string& text) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
}

const std::string first_id = times(32, "0a");
const std::string second_id = times(32, "f0");

}  // namespace

TEST_CASE("shown links: written and read again: the same, the nodes ascending") {
    const ShownLink first{
        .node = node(0x0a), .state = LinkStatus::State::feeding, .acked = LogSeq{7}};
    const ShownLink second{
        .node = node(0xf0), .state = LinkStatus::State::connecting, .acked = LogSeq{0}};
    const auto text = encode_links({second, first});
    CHECK(text == "countersign links 1\n" + first_id + " 4 7\n" + second_id + " 0 0\n");
    CHECK(decode_links(text) == std::vector{first, second});
    CHECK(decode_links(encode_links({})) == std::vector<ShownLink>{});
}

TEST_CASE("shown links: anything else: says nothing, the good lines in it neither") {
    const std::string heading = "countersign links 1\n";
    const std::string good = first_id + " 4 7\n";
    REQUIRE(decode_links(heading + good));
    for (const auto& bad : {std::string(),
                            std::string("countersign links 2\n"),
                            good,
                            heading + good + good,
                            heading + second_id + " 4 7\n" + good,
                            heading + good + "\n",
                            heading + good.substr(0, good.size() - 1),
                            heading + good + second_id,
                            heading + first_id + " 6 7\n",
                            heading + first_id + " 4 07\n",
                            heading + first_id + " 4 -7\n",
                            heading + first_id + " 4 \n",
                            heading + first_id + " 4  7\n",
                            heading + first_id + " 4 7 \n",
                            heading + first_id + " 4 18446744073709551616\n",
                            heading + times(32, "0A") + " 4 7\n",
                            heading + times(32, "0x") + " 4 7\n",
                            heading + times(31, "0a") + " 4 7\n"}) {
        CAPTURE(bad);
        CHECK_FALSE(decode_links(bad));
    }
}

TEST_CASE("shown links: a file beyond its limit: says nothing") {
    std::string text = "countersign links 1\n";
    for (int i = 0; text.size() <= shown_links_limit; ++i) {
        NodeId id;
        id.bytes[0] = static_cast<std::byte>(i >> 8);
        id.bytes[1] = static_cast<std::byte>(i);
        text += to_hex(id.bytes) + " 0 0\n";
    }
    CHECK_FALSE(decode_links(text));
    text.resize(text.rfind('\n', text.size() - 2) + 1);
    CHECK(decode_links(text));
}
