#!/usr/bin/env python3
"""Holds the house rules by reading the tree: who may include whom, one room per dangerous thing,
sizes, names. Every finding is one line, `path:line: what is wrong; remedy`, and any finding makes
the exit status 1. Reads the checkout that it stands in, or the directory given as argument."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70

TOP_LEVEL = {
    ".ci", ".clang-format", ".clang-tidy", ".editorconfig", ".gitattributes", ".gitignore",
    "CHANGELOG.md", "LICENSE", "NOTICE", "README.md", "SECURITY.md", "meson.build",
    "meson_options.txt", "examples", "include", "lib", "subprojects", "tests", "transport",
}

STANDARD_HEADERS = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono
cinttypes climits clocale cmath codecvt compare complex concepts condition_variable coroutine
csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque
exception execution expected filesystem forward_list fstream functional future initializer_list
iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource
mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
semaphore set shared_mutex source_location span spanstream sstream stack stacktrace stdexcept
stop_token streambuf string string_view strstream syncstream system_error thread tuple type_traits
typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
""".split())

# Third parties: which includes, what it is, and the folders or files that may have it.
DANGEROUS = [
    (r"sodium(\.h|/.*)", "libsodium",
     ["lib/sealing/", "transport/channel/", "transport/simulation/", "tests/lib/sealing/",
      "tests/transport/channel/", "tests/bench/", "tests/fuzz/", "tests/support/"]),
    (r"sqlite3(ext)?\.h", "SQLite", ["lib/sqlite/", "transport/simulation/", "tests/"]),
    (r"nettle/.*", "nettle", ["lib/sealing/", "tests/lib/sealing/"]),
    (r"utf8proc\.h", "utf8proc", ["lib/accounts/", "tests/lib/accounts/"]),
    (r"boost/.*", "Boost",
     ["transport/asio/", "include/countersign/asio.h", "examples/", "tests/transport/asio/",
      "tests/cluster/", "tests/acceptance/", "tests/bench/"]),
]

SCHEMAS = {
    "lib/records/record.capnp", "lib/log/batch.capnp", "lib/commands/command.capnp",
    "transport/wire/wire.capnp",
}
# What the codecs share about messages as stored bytes; for codecs alone, like Cap'n Proto itself.
CAPNP_SHARED = ("lib/records/flat_message.h", "lib/records/capnp_comparisons.h")
CAPNP_TESTS = ["tests/lib/records/", "tests/lib/log/", "tests/lib/commands/",
               "tests/transport/wire/", "tests/fuzz/"]

# What only the hall's environment.cc may do itself; everything else gets it as an argument.
IMPURE = [
    (r"\b(?:system|steady|high_resolution|utc|tai|gps|file)_clock\s*::\s*now\b"
     r"|\bclock_gettime\s*\(|\bgettimeofday\s*\(|\btime\s*\(\s*(?:nullptr|NULL|0)\s*\)",
     "reads a clock", "take the time as an argument (countersign/time.h)"),
    (r"\brandombytes_(?!set_implementation|SEEDBYTES)\w+|\brandom_device\b|\bgetrandom\s*\("
     r"|\bgetentropy\s*\(|\barc4random\w*\s*\(|\bs?rand\s*\(|\bcrypto_\w+_keygen\s*\("
     r"|\bcrypto_(?:\w+_)?(?<!seed_)keypair\s*\(|\bcrypto_pwhash_str(?:_alg)?\s*\(",
     "draws randomness", "take the random bytes as an argument"),
    (r"\b(?:secure_)?getenv\s*\(", "reads an environment variable", "make it an option"),
    (r"\bstd\s*::\s*(?:j?thread\b(?!\s*::\s*id)|async\b)|\bpthread_create\s*\(",
     "starts a thread", "hand the work to Options::run_blocking"),
    (r"\bsleep_(?:for|until)\s*\(|\bu?sleep\s*\(|\bnanosleep\s*\(",
     "sleeps", "return the next deadline and let the caller wait"),
]
IMPURE_EXEMPT = ["lib/environment.cc", "transport/asio/", "transport/simulation/"]

VAGUE_NAMES = re.compile(r"(?:^|_)(?:utils?|common|commons|helpers?|misc|shared|stuff)(?:_|$)")
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b")
MACHINE_PATH = re.compile(r"(?<![\w./~$}-])/(?:home|Users|root|work|workspace|builds|mnt)/\w")
REGISTRY = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|yarnpkg\.com|crates\.io|golang\.org"
    r"|deb\.debian\.org|ftp\.\w*\.?debian\.org|archive\.ubuntu\.com|maven\.org|rubygems\.org"
    r"|[\w-]*(?:artifactory|nexus)[\w-]*\.[\w.-]+)(?![\w-])", re.IGNORECASE)

CODE = (".h", ".cc")
FOREIGN_CODE = (".c", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ipp", ".inl", ".inc")
MEASURED = CODE + (".py", ".sh", ".capnp")
PROSE = MEASURED + (".md", ".build", ".txt.in", ".in", ".wrap", ".yml", ".pc")


class Finding(NamedTuple):
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class Include(NamedTuple):
    line: int
    path: str


TOKEN = re.compile(
    r"""(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      | (?P<number>\b[0-9](?:'?[0-9A-Za-z_.])*)
      | (?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
      | (?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE)
LABELS = re.compile(r"^\s*(?:(?:public|private|protected)\s*:(?!:)\s*)+")
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)


def blank(text: str) -> str:
    """Keeps the line breaks of `text` and nothing else."""
    return "\n" * text.count("\n")


def without_comments(source: str) -> str:
    return TOKEN.sub(lambda m: blank(m[0]) if m["comment"] else m[0], source)


def bare(source: str) -> str:
    """The code alone, on its own lines: without comments, directives and what stands in quotes."""
    def shorten(match: re.Match) -> str:
        if match["number"]:
            return match[0].replace("'", "")
        return blank(match[0]) if match["comment"] else '""' + blank(match[0])

    return DIRECTIVE.sub(lambda m: blank(m[0]), TOKEN.sub(shorten, source))


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


class Tree:
    """The files that the rules are about, read once."""

    def __init__(self, root: Path):
        self.root = root
        self.paths = sorted(p for p in listed(root) if (root / p).is_file())
        self.text: dict[str, str] = {}
        for path in self.paths:
            try:
                self.text[path] = (root / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                pass
        self.code = [p for p in self.paths if p.endswith(CODE) and p in self.text]
        self.bare = {p: bare(self.text[p]) for p in self.code}
        self.includes = {p: includes(self.text[p]) for p in self.code}
        self.rooms = {side: self._rooms(side) for side in ("lib", "transport")}

    def _rooms(self, side: str) -> list[str]:
        found = {p.split("/")[1] for p in self.paths if p.startswith(side + "/")
                 and p.count("/") > 1}
        return sorted(found - {"simulation"})

    def under(self, *prefixes: str) -> list[str]:
        return [p for p in self.code if p.startswith(prefixes)]


def includes(source: str) -> list[Include]:
    text = without_comments(source)
    return [Include(line_of(text, m.start(1)), m[1]) for m in INCLUDE.finditer(text)]


def listed(root: Path) -> list[str]:
    """Tracked files and those about to be; in a tree that is no checkout, every file."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
                   "--exclude-standard"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return [name for name in result.stdout.split("\0") if name]
    found = []
    for folder, folders, names in os.walk(root):
        place = Path(folder).relative_to(root).as_posix()
        folders[:] = [f for f in folders if f not in (".git", "__pycache__")
                      and not (place == "." and f.startswith("build"))
                      and not (place == "subprojects" and f != "packagefiles")]
        found += [name if place == "." else f"{place}/{name}" for name in names]
    return found


# Who may include whom.


def check_directions(tree: Tree) -> Iterator[Finding]:
    for path in tree.under("lib/", "transport/"):
        side, *inner = path.split("/")
        room = inner[0] if len(inner) > 1 else None
        for include in tree.includes[path]:
            wrong = direction_fault(tree, side, room, include.path)
            if wrong:
                yield Finding(path, include.line, f"includes \"{include.path}\": {wrong}")
    yield from check_hall(tree)
    yield from check_outsiders(tree)


def direction_fault(tree: Tree, side: str, room: str | None, target: str) -> str | None:
    """What is wrong with this include of a file of lib/ or transport/; nothing: None."""
    first, slash, rest = target.partition("/")
    other = "transport" if side == "lib" else "lib"
    if first in (".", ".."):
        return "a path relative to the file; spell it from lib/ or transport/, as \"room/thing.h\""
    if first == "countersign":
        if side == "lib" and rest in ("asio.h", "simulation.h"):
            return "lib/ works alone; what needs the transport belongs in transport/"
        return None
    if not slash:
        if room is not None and target in hall_headers(tree, side):
            return "a room never knows the hall; pass in what it needs as an argument"
        return None
    if first == "simulation" or (first == side and rest.startswith("simulation/")):
        return None if room == "simulation" else "simulation/ stands on top; nothing includes it"
    if first in (side, other) and rest.split("/")[0] in tree.rooms[first]:
        return f"spelled from the top; write \"{rest}\""
    if first in tree.rooms[other] and first not in tree.rooms[side]:
        if side == "transport":
            return "transport/ sees the store only through include/countersign/; use or extend that"
        return "lib/ never includes transport/; turn the dependency round"
    if first in tree.rooms[side]:
        if room in (None, "simulation") or first >= room:
            return None
        return (f"{side}/{room}/ lies below {side}/{first}/; move the code down into {room}/, or "
                "give it what it needs as an argument")
    if first in ("tests", "support"):
        return "production code never includes tests; move the piece into a room"
    return None


def hall_headers(tree: Tree, side: str) -> set[str]:
    return {p.split("/")[1] for p in tree.under(side + "/") if p.count("/") == 1}


def check_hall(tree: Tree) -> Iterator[Finding]:
    rooms = set(tree.rooms["lib"])
    for path in tree.under("lib/"):
        if path.count("/") > 1 or re.fullmatch(r"lib/store\w*\.cc", path) or not rooms:
            continue
        seen: set[str] = set()
        for include in tree.includes[path]:
            seen.add(include.path.split("/")[0])
            if rooms <= seen:
                yield Finding(path, include.line, "knows every room, which only lib/store*.cc may; "
                              "move the part that joins them there")
                break


def check_outsiders(tree: Tree) -> Iterator[Finding]:
    """Public headers and examples, which see the public face alone."""
    rooms = {room for side in tree.rooms.values() for room in side} | {"simulation", "lib"}
    for path in tree.under("include/", "examples/"):
        for include in tree.includes[path]:
            first, slash, _ = include.path.partition("/")
            if slash and first in rooms:
                yield Finding(path, include.line, f"includes \"{include.path}\", a room's; keep it "
                              "to include/countersign/")
            elif path.startswith("include/") and not public_include(path, include.path):
                yield Finding(path, include.line, f"includes \"{include.path}\", neither a standard"
                              " header nor \"countersign/...\"; hide it behind a pointer in lib/")


def public_include(path: str, target: str) -> bool:
    if target.startswith("countersign/") or target in STANDARD_HEADERS:
        return True
    return path == "include/countersign/asio.h" and target.startswith("boost/")


# One room per dangerous thing.


def check_dangerous(tree: Tree) -> Iterator[Finding]:
    for path in tree.code:
        for include in tree.includes[path]:
            for pattern, name, places in DANGEROUS:
                if re.fullmatch(pattern, include.path) and not path.startswith(tuple(places)):
                    yield Finding(path, include.line, f"includes <{include.path}>; {name} belongs "
                                  f"to {', '.join(p for p in places if 'tests/' not in p)}: call "
                                  "what that room offers, or add it there")
            if (re.match(r"(?:capnp|kj)/|.*\.capnp\.h$|records/flat_message\.h$", include.path)
                    and not codec(path)):
                yield Finding(path, include.line, f"includes \"{include.path}\"; Cap'n Proto's "
                              "headers belong to the codec .cc beside its schema: hand out plain "
                              "structs from there")
    for path in tree.paths:
        if path.endswith(".capnp") and path not in SCHEMAS:
            yield Finding(path, 1, "is a fifth schema; put the struct into one of "
                          + ", ".join(sorted(SCHEMAS)))


def codec(path: str) -> bool:
    beside = {schema.rpartition("/")[0] for schema in SCHEMAS}
    if path.startswith(tuple(CAPNP_TESTS)) or path in CAPNP_SHARED:
        return True
    return path.endswith(".cc") and path.rpartition("/")[0] in beside


def check_purity(tree: Tree) -> Iterator[Finding]:
    for path in tree.under("lib/", "transport/"):
        if path.startswith(tuple(IMPURE_EXEMPT)):
            continue
        for pattern, deed, remedy in IMPURE:
            for match in re.finditer(pattern, tree.bare[path]):
                yield Finding(path, line_of(tree.bare[path], match.start()),
                              f"{deed} ({match[0].strip()}), which only lib/environment.cc may; "
                              f"{remedy}")


# Sizes.


class Block(NamedTuple):
    kind: str  # namespace, type, function or other
    head: str
    first_line: int
    last_line: int
    start: int
    end: int


def kind_of(head: str) -> str:
    head = re.sub(r"\[\[[^\]]*\]\]", " ", head).strip()
    while head.startswith("template"):
        depth = 0
        for index, char in enumerate(head):
            depth += (char == "<") - (char == ">" and head[index - 1] != "-")
            if char == ">" and depth == 0:
                break
        head = head[index + 1:].strip()
        head = re.sub(r"^requires\s+(?:\([^()]*\)|[\w:]+(?:<[^<>]*>)?)"
                      r"(?:\s*(?:&&|\|\|)\s*(?:\([^()]*\)|[\w:]+(?:<[^<>]*>)?))*\s*", "", head)
    head = re.sub(r"^(?:typedef|friend)\b\s*", "", head)
    if re.match(r"(?:inline\s+)?namespace\b|extern\s*\"\"\s*$", head):
        return "namespace"
    if re.match(r"(?:class|struct|union|enum)\b", head) and not re.search(r"\)\s*\w*$", head):
        return "type"
    return "function" if ")" in head else "other"


def blocks(code: str) -> list[Block]:
    """The brace blocks outside of functions, each outermost function as one."""
    found: list[Block] = []
    stack: list[tuple[str, str, int]] = []  # kind, head, offset where the head begins
    inside = 0  # open braces within the outermost function or initialiser
    head = 0
    for match in re.finditer(r"[{};]", code):
        char, at = match[0], match.start()
        if inside:
            inside += (char == "{") - (char == "}")
        elif char == "{":
            text = LABELS.sub("", code[head:at])
            kind = kind_of(text)
            stack.append((kind, text.strip(), at - len(text.lstrip())))
            inside = int(kind in ("function", "other"))
        if char == "}" and not inside and stack:
            kind, text, begins = stack.pop()
            found.append(Block(kind, text, line_of(code, begins), line_of(code, at), begins, at))
        if not inside:
            head = at + 1
    return found


def check_sizes(tree: Tree) -> Iterator[Finding]:
    for path in tree.paths:
        if not path.endswith(MEASURED) or path not in tree.text:
            continue
        lines = tree.text[path].count("\n")
        if lines > MAX_FILE_LINES:
            yield Finding(path, MAX_FILE_LINES + 1, f"has {lines} lines, more than "
                          f"{MAX_FILE_LINES}; split it by what its parts do, and turn a table into "
                          "a data file")
        for name, first, last in functions(tree, path):
            if last - first + 1 > MAX_FUNCTION_LINES:
                yield Finding(path, first, f"`{name}` has {last - first + 1} lines, more than "
                              f"{MAX_FUNCTION_LINES}; give its steps functions of their own")


def functions(tree: Tree, path: str) -> Iterator[tuple[str, int, int]]:
    if path in tree.bare:
        for block in blocks(tree.bare[path]):
            if block.kind == "function":
                name = re.search(r"([\w:~]+|operator\W+?)\s*\(", block.head)
                yield name[1] if name else block.head[:40], block.first_line, block.last_line
    elif path.endswith(".py"):
        for node in ast.walk(ast.parse(tree.text[path])):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name, node.lineno, node.end_lineno


# Names, headers, what may stand in a file at all.


def check_names(tree: Tree) -> Iterator[Finding]:
    for entry in sorted({p.split("/")[0] for p in tree.paths} - TOP_LEVEL):
        yield Finding(entry, 1, "is not one of the top level's fixed entries; put it into lib/, "
                      "transport/, tests/ or examples/")
    for path in tree.paths:
        if not path.startswith(("include/", "lib/", "transport/", "tests/", "examples/")):
            continue
        *folders, name = path.split("/")
        stem = name.split(".")[0]
        if name.endswith(FOREIGN_CODE):
            yield Finding(path, 1, "is C++ by another name; call it .h or .cc")
        elif name.endswith(MEASURED) and not re.fullmatch(r"[a-z][a-z0-9_]*", stem):
            yield Finding(path, 1, "is not in snake_case; rename it")
        if name.endswith(MEASURED) or name == "meson.build":
            for part in (*folders[1:], stem):
                if VAGUE_NAMES.search(part):
                    yield Finding(path, 1, f"`{part}` says nothing; name it for what it does, or "
                                  "move it to its only caller")


def check_words(tree: Tree) -> Iterator[Finding]:
    for path, text in tree.text.items():
        for number, line in enumerate(text.split("\n"), 1):
            if path.endswith(PROSE) and (match := UNFINISHED.search(line)):
                yield Finding(path, number, f"says {match[0]}; finish it, or open an issue")
            if match := MACHINE_PATH.search(line):
                yield Finding(path, number, f"names a path of one machine ({match[0]}...); make it "
                              "relative or an argument")
            if match := REGISTRY.search(line):
                yield Finding(path, number, f"names a package registry's host ({match[0]}); name "
                              "the package and leave the source to the machine")


def check_headers(tree: Tree) -> Iterator[Finding]:
    listing = tree.text.get("include/meson.build", "")
    for path in tree.code:
        if not path.endswith(".h"):
            continue
        code = without_comments(tree.text[path])
        first = re.search(r"\S.*", code)
        if not first or not re.fullmatch(r"#[ \t]*pragma[ \t]+once\s*", first[0]):
            line = line_of(code, first.start()) if first else 1
            yield Finding(path, line, "does not begin with #pragma once; add it above all else")
        if path.startswith("include/") and f"'{path.removeprefix('include/')}'" not in listing:
            yield Finding(path, 1, "is not installed; add it to include/meson.build")
        if path.startswith(("lib/", "transport/")) and path.count("/") > 1:
            yield from check_definitions(tree, path)


def check_definitions(tree: Tree, path: str) -> Iterator[Finding]:
    """A header that declares functions has their file beside it: thing.cc, or thing_*.cc."""
    stem = path.removesuffix(".h")
    if any(p == stem + ".cc" or (p.startswith(stem + "_") and p.endswith(".cc"))
           for p in tree.code):
        return
    code = tree.bare[path]
    for block in blocks(code):
        if block.kind in ("function", "other"):
            opening = code.index("{", block.start)
            body = code[opening + 1:block.end]
            code = code[:opening + 1] + re.sub(r"[^\n]", " ", body) + code[block.end:]
    for match in re.finditer(r"[^;{}]+(?=;)", code):
        statement = LABELS.sub("", match[0]).strip()
        if re.match(r"(?:using|typedef|static_assert|friend|requires)\b|extern\s+template\b",
                    statement):
            continue
        if re.search(r"^[^=(]*\w\s*\(.*\)\s*(?:const|noexcept|override|final|&{1,2}|->.*|\s)*$",
                     statement, re.DOTALL):
            line = line_of(code, match.end())
            yield Finding(path, line, f"declares functions and has no {Path(stem).name}.cc beside "
                          "it; define them there, or inline in the header")
            return


def check_built(tree: Tree) -> Iterator[Finding]:
    for path in tree.under("lib/", "transport/", "tests/", "examples/"):
        folder, _, name = path.rpartition("/")
        if not name.endswith(".cc"):
            continue
        above = ["/".join(folder.split("/")[:n]) for n in range(len(folder.split("/")), 0, -1)]
        listings = [(a, tree.text.get(a + "/meson.build", "")) for a in above]
        if not any(f"'{path.removeprefix(a + '/')}'" in text
                   or f"'{path.removeprefix(a + '/').removesuffix('.cc')}'" in text
                   for a, text in listings):
            yield Finding(path, 1, f"is never built; add it to {folder}/meson.build")


CHECKS = [check_directions, check_dangerous, check_purity, check_sizes, check_names, check_words,
          check_headers, check_built]


def findings(root: Path) -> list[Finding]:
    tree = Tree(root)
    return sorted({finding for check in CHECKS for finding in check(tree)})


def main(arguments: list[str]) -> int:
    root = Path(arguments[0] if arguments else Path(__file__).parent.parent).resolve()
    found = findings(root)
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
