#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "countersign/ids.h"
#include "countersign/link.h"

namespace countersign {

/// How the serving process's link to one member stands, as the file `links` says it.
struct ShownLink {
    NodeId node;
    LinkStatus::State state{};
    LogSeq acked{};  ///< the member has said to hold everything up to here durably
    friend bool operator==(const ShownLink&, const ShownLink&) = default;
};

inline constexpr std::size_t shown_links_limit = std::size_t{1} << 20;

/// The file: the line "countersign links 1", then a line for each member, the nodes ascending: id
/// (64 lower-case hexadecimal digits), state as a number, seq acknowledged. `links` has each node
/// once.
std::string encode_links(std::vector<ShownLink> links);
/// No value unless it is exactly that: a file that was torn or comes from another release says
/// nothing.
std::optional<std::vector<ShownLink>> decode_links(std::string_view text);

}  // namespace countersign
