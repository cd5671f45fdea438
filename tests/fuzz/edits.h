#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "fuzz/fuzz.h"

/// What targets have in common that are given valid things, and a script of edits to them.
namespace countersign::fuzz {

/// One edit that a fuzzer's input chooses: bits, bytes, numbers, and ranges cut out, doubled or put
/// in. It may come to nothing.
void edit(Bytes& bytes, Input& from);

/// One edit of a list: an element goes, comes twice, or changes places with another.
template <class T>
void edit_order(std::vector<T>& list, Input& from) {
    const auto choice = from.number<std::uint8_t>();
    if (list.empty()) return;
    const auto one = list.begin() + from.number<std::uint8_t>() % std::ssize(list);
    const auto other = list.begin() + from.number<std::uint8_t>() % std::ssize(list);
    if (choice % 3 == 0) {
        list.erase(one);
    } else if (choice % 3 == 1) {
        T copy = *one;
        list.insert(other, std::move(copy));
    } else {
        std::iter_swap(one, other);
    }
}

/// A number as it is, beside what it was, or at an end of its range.
template <class Number>
Number edited(Number number, Input& from) {
    const auto choice = from.number<std::uint8_t>() % 6u;
    if (choice == 0) return number + 1;
    if (choice == 1) return number - 1;
    if (choice == 2) return 0;
    if (choice == 3) return static_cast<Number>(~Number{0});
    if (choice == 4)
        return number ^ (Number{1} << from.number<std::uint8_t>() % (8 * sizeof number));
    return from.number<Number>();
}

template <class Number>
    requires std::is_enum_v<Number>
Number edited(Number number, Input& from) {
    return Number{edited(static_cast<std::uint64_t>(number), from)};
}

/// One bit of an id or a signature.
template <class IdType>
void edit_id(IdType& id, Input& from) {
    const auto bit = from.number<std::uint16_t>() % (id.bytes.size() * 8);
    id.bytes[bit / 8] ^= std::byte{1} << (bit % 8);
}

/// From now on the assertions of tests' fixtures abort the process where they fail.
void assertions_abort();

}  // namespace countersign::fuzz
