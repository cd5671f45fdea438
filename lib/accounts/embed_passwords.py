"""Turns frequent_passwords.txt into a C++ header: embed_passwords.py LIST HEADER."""

import sys

MINIMUM_LENGTH = 8  # shorter ones the policy refuses anyway
MINIMUM_COUNT = 3000  # OWASP ASVS 5, 6.2.4
MAXIMUM_SIZE = 65535  # offsets have 16 bits, and a string literal is no longer


def read(path):
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    passwords = {line for line in lines if not line.startswith("#!comment:")}
    for password in passwords:
        printable = all(" " <= character <= "~" for character in password)
        if not printable or password != password.lower() or len(password) < MINIMUM_LENGTH:
            sys.exit(f"{path}: not lower-case ASCII of at least 8 characters: {password!r}")
    if len(passwords) < MINIMUM_COUNT or sum(map(len, passwords)) > MAXIMUM_SIZE:
        sys.exit(f"{path}: {len(passwords)} passwords, {sum(map(len, passwords))} bytes")
    return sorted(passwords)


def write(path, passwords):
    ends, end = [], 0
    for password in passwords:
        end += len(password)
        ends.append(end)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#pragma once\n\n#include <cstdint>\n\n")
        file.write("namespace countersign::accounts::frequent_passwords {\n\n")
        file.write("inline constexpr char text[] =\n")
        for password in passwords:
            escaped = password.replace("\\", "\\\\").replace('"', '\\"')
            file.write(f'    "{escaped}"\n')
        file.write("    ;\n\ninline constexpr std::uint16_t ends[] = {\n")
        for end in ends:
            file.write(f"    {end},\n")
        file.write("};\n\n}  // namespace countersign::accounts::frequent_passwords\n")


write(sys.argv[2], read(sys.argv[1]))
