#!/bin/sh
# check.sh FILE INCLUDE_DIR COMPILER...: FILE must be refused with the diagnostic that its line
# "// Refused: PATTERN" names, and must compile with -DCONTROL.
set -eu
file=$1
include=$2
shift 2
pattern=$(sed -n 's|^// Refused: ||p' "$file")
[ -n "$pattern" ] || { echo "$file: has no line \"// Refused: PATTERN\""; exit 1; }

compile() {
    "$@" -std=c++2b -Wall -Wextra -Werror -fsyntax-only -I "$include" "$file" 2>&1
}

if ! output=$(compile "$@" -DCONTROL); then
    printf '%s\n' "$output"
    echo "$file: the control does not compile, so the refusal would prove nothing"
    exit 1
fi
if output=$(compile "$@"); then
    echo "$file: compiles, and must not"
    exit 1
fi
if ! printf '%s\n' "$output" | grep -Eq "error: .*($pattern)"; then
    printf '%s\n' "$output"
    echo "$file: refused, but not for \"$pattern\""
    exit 1
fi
