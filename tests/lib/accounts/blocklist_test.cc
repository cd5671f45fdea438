#include "accounts/blocklist.h"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "accounts/frequent_passwords.h"

using namespace countersign;
using namespace countersign::accounts;

namespace {

Result<Blocklist> load(std::string_view text) {
    return Blocklist::load(text);
}

std::string why(std::string_view text) {
    const auto list = load(text);
    if (list) return "accepted";
    CHECK(list.error() == errc::invalid_argument);
    return list.error().detail();
}

}  // namespace

TEST_CASE("blocklist: the built-in list: over 3,000 entries that the policy's length would pass") {
    CHECK(frequent_password_count() == 6000);
    bool sorted = true;
    bool long_enough = true;
    bool found = true;
    const Blocklist list;
    for (std::size_t i = 0; i < frequent_password_count(); ++i) {
        if (i > 0) sorted = sorted && frequent_password(i - 1) < frequent_password(i);
        long_enough = long_enough && frequent_password(i).size() >= 8;
        if (i % 100 == 0) found = found && list.contains(Secret(frequent_password(i)));
    }
    CHECK(sorted);
    CHECK(long_enough);
    CHECK(found);
    CHECK(list.contains(Secret(frequent_password(frequent_password_count() - 1))));
    CHECK(list.loaded() == 0);
}

TEST_CASE("blocklist: the whole password in any case: blocked; with more around it: not") {
    const Blocklist list;
    CHECK(list.contains(Secret("password")));
    CHECK(list.contains(Secret("PassWord")));
    CHECK(list.contains(Secret("1qaz2wsx")));
    CHECK_FALSE(list.contains(Secret("passwordd")));
    CHECK_FALSE(list.contains(Secret("a password of some length")));
    CHECK_FALSE(list.contains(Secret("passwor")));
    CHECK_FALSE(list.contains(Secret("")));
    CHECK_FALSE(list.contains(Secret("\u00ff\u00ff\u00ff\u00ff")));
}

TEST_CASE("blocklist: a file: its lines are blocked beside the built-in list") {
    const auto list = load(
        "#!comment: of our own\nAcme-Corp 2024\r\n\n#hashtag\u00fc\nSTRASSENBAHN\nacme-corp 2024\n"
        "e\u0301cole ferme\u0301e");
    REQUIRE(list);
    CHECK(list->loaded() == 4);
    CHECK(list->contains(Secret("acme-corp 2024")));
    CHECK(list->contains(Secret("ACME-CORP 2024")));
    CHECK(list->contains(Secret("#HASHTAG\u00dc")));
    CHECK(list->contains(Secret("stra\u00dfenbahn")));
    CHECK(list->contains(Secret("\u00c9cole ferm\u00e9e")));
    CHECK(list->contains(Secret("password")));
    CHECK_FALSE(list->contains(Secret("#!comment: of our own")));
    CHECK_FALSE(list->contains(Secret("acme-corp 2025")));

    const Blocklist copy = *list;
    CHECK(copy.contains(Secret("strassenbahn")));
    CHECK(load("")->loaded() == 0);
}

TEST_CASE("blocklist: bad lines: their number and why") {
    CHECK(why("fine\n\xff\n") == "line 2 is no password: it is not UTF-8");
    CHECK(why("\n\na\tb") == "line 3 is no password: control characters are not allowed");
    CHECK(why("\ufefffirst") == "line 1 is no password: invisible characters are not allowed");
    CHECK(why("fine\r\n" + std::string(1025, 'a')) ==
          "line 2 is no password: it is longer than 1,024 bytes");
    CHECK(why(std::string(1024, 'a') + "\r\n") == "accepted");
    CHECK(why("a\rb") == "line 1 is no password: control characters are not allowed");
    CHECK(load(std::string(max_blocklist_size + 1, '\n')).error() == errc::too_large);
}
