// Writes two batches and two designations of a new log into a directory, as files that other
// programs can check, and beside them what these should say.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <doctest/doctest.h>

#include "support/pool.h"

using namespace countersign;
using countersign::testing::changes;
using countersign::testing::Pool;
using countersign::testing::put;
using countersign::testing::user_name;

namespace {

void write(const std::string& path, BytesView bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

void write_hex(const std::string& path, BytesView bytes) {
    std::ofstream(path) << to_hex(bytes) << "\n";
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 2;
    const std::string directory = std::string(arguments[1]) + "/";
    doctest::Context context;
    context.setAssertHandler([](const doctest::AssertData& data) {
        if (!data.m_failed) return;
        std::fprintf(stderr, "%s:%d: %s\n", data.m_file, data.m_line, data.m_expr);
        std::abort();
    });
    context.setAsDefaultForAssertsOutOfTestCases();

    Pool pool;
    auto& node = pool.add_node();
    const auto by_root_key = pool.designate(node);
    const auto first = pool.append(node, changes(put(user_name(1), "sealed")));
    const auto second = pool.append(node, changes(put(user_name(2), "sealed as well")));
    const auto by_itself = pool.designate_itself(node);
    const auto inside = log::decode(second);
    REQUIRE(inside);
    write(directory + "first.batch", first.bytes);
    write(directory + "first.signature", first.signature.bytes);
    write(directory + "second.batch", second.bytes);
    write(directory + "second.signature", second.signature.bytes);
    write_hex(directory + "second.previous", inside->previous.bytes);
    write_hex(directory + "second.hash", second.hash().bytes);
    write_hex(directory + "second.digest", inside->digest.bytes);
    write(directory + "first.designation", by_root_key.bytes);
    write(directory + "first.designation.signature", by_root_key.signature.bytes);
    write(directory + "second.designation", by_itself.bytes);
    write(directory + "second.designation.signature", by_itself.signature.bytes);
    write_hex(directory + "node", node.id().bytes);
    write_hex(directory + "root", pool.root_key.public_key());
    write_hex(directory + "pool", pool.id.bytes);
    write_hex(directory + "user", user_name(2).id.bytes);
}
