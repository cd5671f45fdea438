// The file `links` beside the database (shown_links.h).
#include "fuzz/fuzz.h"
#include "shown_links.h"

namespace countersign::fuzz {
namespace {

void run(BytesView input) {
    const auto text = text_of(input);
    const auto links = decode_links(text);
    if (!links) return;
    require(text.size() <= shown_links_limit, "a file within its limit");
    require(encode_links(*links) == text, "a file has one encoding");
}

std::vector<Bytes> seeds() {
    using enum LinkStatus::State;
    std::vector<Bytes> all;
    const auto add = [&](std::string_view text) {
        const auto bytes = view_of(text);
        all.emplace_back(bytes.begin(), bytes.end());
    };
    const ShownLink first{.node = filled_id<NodeId>(1), .state = feeding, .acked = LogSeq{7}};
    const ShownLink second{
        .node = filled_id<NodeId>(0xfe), .state = idle, .acked = LogSeq{~std::uint64_t{0}}};
    const auto one = encode_links({first});
    const auto two = encode_links({second, first});
    add(encode_links({}));
    add(one);
    add(two);
    add(two + "0");                                                       // torn
    add(one + one.substr(one.find('\n') + 1));                            // one node twice
    add(encode_links({{.node = {}, .state = connecting, .acked = {}}}));  // nobody, nothing
    return all;
}

const Target target("links", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
