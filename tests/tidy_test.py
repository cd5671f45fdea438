#!/usr/bin/env python3
"""Plants each fault that tidy.py should find in a small tree that has none."""

import contextlib
import io
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import tidy

CLEAN = {
    "README.md": "# A tree without faults\n",
    "meson.build": "subdir('lib')\n",
    "include/meson.build": "install_headers('countersign/error.h', 'countersign/asio.h')\n",
    "include/countersign/error.h": "#pragma once\n\n#include <expected>\n",
    "include/countersign/asio.h":
        "#pragma once\n#include <boost/asio.hpp>\n#include \"countersign/error.h\"\n",
    "lib/meson.build": "files('store.cc', 'environment.cc')\n",
    "lib/store.cc": "#include \"accounts/users.h\"\n#include \"log/chain.h\"\n"
                    "#include \"sealing/aead.h\"\n",
    "lib/environment.cc": "auto now() { return std::chrono::system_clock::now(); }\n",
    "lib/accounts/meson.build": "files('users.cc')\n",
    "lib/accounts/users.h": "#pragma once\nvoid add(int user);\n",
    "lib/accounts/users.cc": "#include <utf8proc.h>\n#include \"log/chain.h\"\n",
    "lib/log/meson.build": "files('chain.cc')\n",
    "lib/log/batch.capnp": "@0xb0b0b0b0b0b0b0b0;\n",
    "lib/log/chain.h": "#pragma once\nstruct Chain {\n    int length = 0;\n    bool empty() const "
                       "{ return length == 0; }\n};\nvoid grow(Chain& chain);\n",
    "lib/log/chain.cc": "#include \"log/chain.h\"\n#include \"log/batch.capnp.h\"\n"
                        "// system_clock::now() and getenv(\"X\") in a comment are no fault\n"
                        "const char* text = \"steady_clock::now()\";\n",
    "lib/sealing/meson.build": "files('aead.cc')\n",
    "lib/sealing/aead.h": "#pragma once\nvoid seal();\n",
    "lib/sealing/aead.cc": "#include <sodium.h>\n",
    "transport/channel/meson.build": "files('noise.cc')\n",
    "transport/channel/noise.cc": "#include <sodium.h>\n#include \"countersign/error.h\"\n"
                                  "#include \"wire/frame.h\"\n",
    "transport/wire/meson.build": "",
    "transport/wire/frame.h": "#pragma once\nstruct Frame {};\n",
    "transport/simulation/meson.build": "files('disk.cc')\n",
    "transport/simulation/disk.cc": "#include <sqlite3.h>\n#include \"channel/noise.h\"\n",
    "examples/meson.build": "executable('store', 'store.cc')\n",
    "examples/store.cc": "#include \"countersign/error.h\"\n",
}


class Planted(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="tidy"))
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in CLEAN.items():
            self.write(path, text)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def add(self, path, text):
        """Appends lines to a file of the clean tree; the number of the first of them."""
        before = (self.root / path).read_text(encoding="utf-8")
        self.write(path, before + text)
        return before.count("\n") + 1

    def found(self):
        return [str(finding) for finding in tidy.findings(self.root)]

    def expect(self, path, line, *words):
        found = self.found()
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{path}:{line}: "), found[0])
        self.assertIn("; ", found[0])
        for word in words:
            self.assertIn(word, found[0])


class Directions(Planted):
    def test_a_tree_without_faults_has_no_finding(self):
        self.assertEqual(self.found(), [])

    def test_a_room_includes_one_above_it(self):
        line = self.add("lib/log/chain.cc", "#include \"accounts/users.h\"\n")
        self.expect("lib/log/chain.cc", line, "below lib/accounts/")

    def test_a_room_of_the_transport_includes_one_above_it(self):
        line = self.add("transport/wire/frame.h", "#include <channel/noise.h>\n")
        self.expect("transport/wire/frame.h", line, "below transport/channel/")

    def test_the_transport_reaches_into_the_store(self):
        line = self.add("transport/channel/noise.cc", "#include \"sealing/aead.h\"\n")
        self.expect("transport/channel/noise.cc", line, "only through include/countersign/")

    def test_the_simulation_reaches_into_the_store(self):
        line = self.add("transport/simulation/disk.cc", "#include \"sealing/aead.h\"\n")
        self.expect("transport/simulation/disk.cc", line, "only through include/countersign/")

    def test_the_store_includes_the_transport(self):
        line = self.add("lib/store.cc", "#include \"wire/frame.h\"\n")
        self.expect("lib/store.cc", line, "never includes transport/")

    def test_the_store_includes_a_public_header_of_the_transport(self):
        line = self.add("lib/log/chain.cc", "#include \"countersign/asio.h\"\n")
        self.expect("lib/log/chain.cc", line, "lib/ works alone")

    def test_a_room_includes_the_simulation(self):
        line = self.add("transport/channel/noise.cc", "#include \"simulation/disk.h\"\n")
        self.expect("transport/channel/noise.cc", line, "nothing includes it")

    def test_a_room_includes_a_header_of_the_hall(self):
        self.write("lib/store_parts.h", "#pragma once\n")
        line = self.add("lib/log/chain.cc", "#include \"store_parts.h\"\n")
        self.expect("lib/log/chain.cc", line, "the hall")

    def test_a_second_file_of_the_hall_knows_every_room(self):
        self.write("lib/store_users.cc", CLEAN["lib/store.cc"])
        self.write("lib/users.cc", CLEAN["lib/store.cc"])
        self.write("lib/meson.build", "files('store.cc', 'store_users.cc', 'users.cc', "
                                      "'environment.cc')\n")
        self.expect("lib/users.cc", 3, "knows every room")

    def test_an_include_goes_up_with_dots(self):
        line = self.add("lib/log/chain.cc", "#include \"../accounts/users.h\"\n")
        self.expect("lib/log/chain.cc", line, "relative to the file")

    def test_an_include_is_spelled_from_the_top(self):
        line = self.add("lib/log/chain.cc", "#include \"lib/accounts/users.h\"\n")
        self.expect("lib/log/chain.cc", line, "spelled from the top")

    def test_production_code_includes_a_test(self):
        line = self.add("lib/log/chain.cc", "#include \"support/vectors.h\"\n")
        self.expect("lib/log/chain.cc", line, "never includes tests")

    def test_a_public_header_includes_a_room(self):
        line = self.add("include/countersign/error.h", "#include \"log/chain.h\"\n")
        self.expect("include/countersign/error.h", line, "a room's")

    def test_a_public_header_includes_a_third_party(self):
        line = self.add("include/countersign/error.h", "#include <fmt/format.h>\n")
        self.expect("include/countersign/error.h", line, "neither a standard header")

    def test_an_example_includes_a_room(self):
        line = self.add("examples/store.cc", "#include \"log/chain.h\"\n")
        self.expect("examples/store.cc", line, "a room's")

    def test_an_include_in_a_comment_is_none(self):
        self.add("lib/log/chain.cc",
                 "// #include \"accounts/users.h\"\n/*\n#include <sodium.h>\n*/\n")
        self.assertEqual(self.found(), [])


class DangerousThings(Planted):
    def test_third_parties_outside_their_rooms(self):
        for header, path in [("sodium.h", "lib/log/chain.cc"),
                             ("sodium/crypto_sign.h", "transport/wire/frame.h"),
                             ("sqlite3.h", "lib/log/chain.cc"),
                             ("sqlite3.h", "transport/channel/noise.cc"),
                             ("nettle/sha1.h", "lib/accounts/users.cc"),
                             ("utf8proc.h", "lib/sealing/aead.cc"),
                             ("boost/asio.hpp", "lib/store.cc"),
                             ("boost/asio.hpp", "transport/channel/noise.cc"),
                             ("boost/asio.hpp", "transport/simulation/disk.cc")]:
            with self.subTest(header=header, path=path):
                line = self.add(path, f"#include <{header}>\n")
                self.expect(path, line, f"<{header}>", "belongs to")
                self.write(path, CLEAN[path])

    def test_boost_in_another_public_header(self):
        line = self.add("include/countersign/error.h", "#include <boost/asio.hpp>\n")
        self.assertTrue(any(f.startswith(f"include/countersign/error.h:{line}: ")
                            and "Boost" in f for f in self.found()))

    def test_capnproto_outside_the_codecs(self):
        for include, path in [("<capnp/message.h>", "lib/accounts/users.cc"),
                              ("<kj/io.h>", "lib/store.cc"),
                              ("\"log/batch.capnp.h\"", "lib/accounts/users.cc"),
                              ("\"log/batch.capnp.h\"", "lib/log/chain.h"),
                              ("<capnp/message.h>", "transport/channel/noise.cc")]:
            with self.subTest(include=include, path=path):
                line = self.add(path, f"#include {include}\n")
                self.expect(path, line, "Cap'n Proto's headers")
                self.write(path, CLEAN[path])

    def test_a_fifth_schema(self):
        self.write("lib/accounts/users.capnp", "@0xb0b0b0b0b0b0b0b1;\n")
        self.expect("lib/accounts/users.capnp", 1, "a fifth schema")

    def test_clocks_randomness_environment_and_threads_below_the_hall(self):
        for code, word in [("auto t = std::chrono::system_clock::now();", "reads a clock"),
                           ("auto t = std::chrono::steady_clock :: now();", "reads a clock"),
                           ("clock_gettime(CLOCK_REALTIME, &t);", "reads a clock"),
                           ("auto t = std::time(nullptr);", "reads a clock"),
                           ("randombytes_buf(p, n);", "draws randomness"),
                           ("std::random_device device;", "draws randomness"),
                           ("crypto_sign_keypair(p, s);", "draws randomness"),
                           ("crypto_aead_xchacha20poly1305_ietf_keygen(k);", "draws randomness"),
                           ("crypto_pwhash_str(o, p, n, t, m);", "draws randomness"),
                           ("auto v = std::getenv(\"HOME\");", "environment variable"),
                           ("std::thread worker(run);", "starts a thread"),
                           ("std::jthread worker(run);", "starts a thread"),
                           ("std::this_thread::sleep_for(second);", "sleeps")]:
            for path in ("lib/sealing/aead.cc", "transport/channel/noise.cc", "lib/store.cc"):
                with self.subTest(code=code, path=path):
                    line = self.add(path, code + "\n")
                    self.expect(path, line, word)
                    self.write(path, CLEAN[path])

    def test_what_only_looks_like_it_is_no_fault(self):
        self.add("lib/sealing/aead.cc", "crypto_sign_seed_keypair(p, s, seed);\n"
                 "crypto_pwhash_str_verify(a, b, c);\nbool f(std::thread::id id);\n"
                 "run_time(0);\nconstexpr int million = 1'000'000; // getenv(\"A\")\n"
                 "auto text = R\"(std::random_device)\";\n")
        self.assertEqual(self.found(), [])


class Sizes(Planted):
    def test_a_file_of_more_than_500_lines(self):
        self.write("lib/log/chain.cc", "int x;\n" * 500)
        self.assertEqual(self.found(), [])
        self.write("lib/log/chain.cc", "int x;\n" * 501)
        self.expect("lib/log/chain.cc", 501, "501 lines", "split it")

    def test_a_function_of_more_than_70_lines(self):
        def method(lines):
            return ("namespace countersign {\nclass Chain {\n  public:\n"
                    "    template <class T>\n    Result<T> walk(int from) const {\n"
                    + "        if (step()) { from += '}'; }\n" * lines + "    }\n};\n}\n")

        self.write("lib/log/chain.cc", method(67))
        self.assertEqual(self.found(), [])
        self.write("lib/log/chain.cc", method(68))
        self.expect("lib/log/chain.cc", 4, "`walk` has 71 lines", "functions of their own")

    def test_a_long_table_or_class_is_no_long_function(self):
        self.write("lib/log/chain.cc", "constexpr Entry table[] = {\n" + "    {1, \"a\"},\n" * 90
                   + "};\nstruct Options {\n" + "    int knob = 0;\n" * 90 + "};\n")
        self.assertEqual(self.found(), [])

    def test_a_long_python_function(self):
        self.write("tests/plot.py", "def plot():\n" + "    pass\n" * 70)
        self.expect("tests/plot.py", 1, "`plot` has 71 lines")


class Names(Planted):
    def test_another_ending_for_code(self):
        self.write("lib/log/digest.cpp", "")
        self.expect("lib/log/digest.cpp", 1, "call it .h or .cc")

    def test_a_name_in_camel_case(self):
        self.write("lib/log/LtHash.h", "#pragma once\n")
        self.expect("lib/log/LtHash.h", 1, "snake_case")

    def test_names_that_say_nothing(self):
        for path in ("lib/util/bytes.h", "tests/helpers/bytes.h", "lib/log/common.h",
                     "lib/log/log_utils.h"):
            with self.subTest(path=path):
                self.write(path, "#pragma once\n")
                self.expect(path, 1, "says nothing")
                (self.root / path).unlink()

    def test_a_new_entry_at_the_top(self):
        self.write("scripts/go.sh", "")
        self.expect("scripts", 1, "fixed entries")

    def test_unfinished_work(self):
        for word in ("TO" "DO", "FIX" "ME", "XX" "X"):
            for path in ("lib/log/chain.cc", "README.md", "lib/meson.build"):
                with self.subTest(word=word, path=path):
                    line = self.add(path, f"// {word}: later\n")
                    self.expect(path, line, "finish it")
                    self.write(path, CLEAN[path])
        self.add("README.md", "mktemp -d demo." + "X" * 6 + "\n")
        self.assertEqual(self.found(), [])

    def test_a_path_of_one_machine(self):
        for path in ("/home" "/ann/countersign", "/Users" "/ann", "/root" "/x", "/work" "/main"):
            with self.subTest(path=path):
                line = self.add("README.md", f"see {path}/a.txt\n")
                self.expect("README.md", line, "a path of one machine")
                self.write("README.md", CLEAN["README.md"])
        self.add("README.md", "/var/lib/app, https://example.org/home" "/ann, ~/work" "/x\n")
        self.assertEqual(self.found(), [])

    def test_a_package_registry_named_by_its_host(self):
        for host in ("py" "pi.org", "registry.npm" "js.org", "deb.deb" "ian.org",
                     "nex" "us.example.org", "static.crat" "es.io"):
            with self.subTest(host=host):
                line = self.add("README.md", f"https://{host}/simple\n")
                self.expect("README.md", line, "package registry")
                self.write("README.md", CLEAN["README.md"])


class Headers(Planted):
    def test_a_header_without_pragma_once(self):
        self.write("lib/log/chain.h", "// A comment may stand first.\nstruct Chain {};\n")
        self.expect("lib/log/chain.h", 2, "#pragma once")

    def test_a_public_header_that_is_not_installed(self):
        self.write("include/countersign/users.h", "#pragma once\n")
        self.expect("include/countersign/users.h", 1, "not installed")

    def test_a_room_declares_functions_and_defines_them_nowhere(self):
        self.write("lib/log/digest.h", "#pragma once\nclass Digest {\n  public:\n"
                   "    explicit Digest(int key);\n};\n")
        self.expect("lib/log/digest.h", 4, "no digest.cc beside it")
        self.write("lib/log/digest_lanes.cc", "")
        self.write("lib/log/meson.build", "files('chain.cc', 'digest_lanes.cc')\n")
        self.assertEqual(self.found(), [])

    def test_a_header_that_is_whole_needs_no_other_file(self):
        self.write("lib/log/digest.h", """#pragma once
            using Step = void(int);
            static_assert(sizeof(int) == 4);
            struct Sink {
                virtual ~Sink() = default;
                virtual void put(int lane) = 0;
                std::function<void(int)> then;
                std::array<int, lanes(3)> lanes{};
                int most = largest(4);
                friend bool operator==(const Sink&, const Sink&) = default;
            };
            template <class T> requires std::is_enum_v<T>
            constexpr T next(T value) noexcept { return step(value); }
            """)
        self.assertEqual(self.found(), [])

    def test_a_file_that_is_never_built(self):
        self.write("lib/log/digest.cc", "")
        self.expect("lib/log/digest.cc", 1, "never built")


class CommandLine(Planted):
    def run_main(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = tidy.main([str(self.root)])
        return status, output.getvalue()

    def test_the_exit_status_tells(self):
        self.assertEqual(self.run_main(), (0, ""))
        self.add("README.md", "TO" "DO\n")
        status, output = self.run_main()
        self.assertEqual(status, 1)
        self.assertTrue(output.startswith("README.md:2: "), output)

    def test_in_a_checkout_ignored_files_are_not_read(self):
        if shutil.which("git") is None:
            self.skipTest("git is not installed")
        subprocess.run(["git", "init", "-q", str(self.root)], check=True)
        self.write(".gitignore", "/out/\n")
        self.write("out/tree.cpp", "")
        self.assertEqual(self.found(), [])
        self.write("lib/log/new.cpp", "")
        self.expect("lib/log/new.cpp", 1, "call it .h or .cc")


if __name__ == "__main__":
    unittest.main()
