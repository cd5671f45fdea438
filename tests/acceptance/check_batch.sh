#!/bin/sh
# Checks batches and designations with nothing of ours, as lib/README.md says: their chain with
# b2sum, their signatures with openssl. The argument is the program that writes them.
set -eu

for program in b2sum basenc openssl; do
    command -v "$program" >/dev/null || { echo "skipped: no $program here"; exit 77; }
done

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$1" "$directory"
cd "$directory"

unhex() { tr a-f A-F | basenc --decode --base16; }
hash_of() { b2sum --length=256 "$1" | cut -d' ' -f1; }

# signed KIND FILE: what is signed of a batch or statement.
signed() { printf 'countersign/%s/v1\0' "$1"; hash_of "$2" | tr -d '\n' | unhex; }
# verify KIND FILE SIGNATURE [KEY]: by the node's key unless told otherwise.
verify() {
    signed "$1" "$2" >signed
    openssl pkeyutl -verify -pubin -inkey "${4:-node}.pem" -rawin -in signed -sigfile "$3"
}

for key in node root; do
    { printf 302a300506032b6570032100; tr -d '\n' <$key; } | unhex |
        openssl pkey -pubin -inform DER -out $key.pem
done

verify batch first.batch first.signature
verify batch second.batch second.signature
verify designation first.designation first.designation.signature root
verify designation second.designation second.designation.signature
[ "$(hash_of first.batch)" = "$(cat second.previous)" ] || { echo "the chain does not hold"; exit 1; }
echo "the second batch follows the first"

# And what is not so does not pass.
refused() { if verify "$@" >/dev/null 2>&1; then echo "passed, but should not: $*"; exit 1; fi; }
refused batch first.batch second.signature
refused batch first.batch first.signature root
refused designation first.batch first.signature
refused designation first.designation first.designation.signature
refused designation second.designation second.designation.signature root
refused batch second.designation second.designation.signature
cp first.batch changed.batch
printf x >>changed.batch
refused batch changed.batch first.signature
echo "seven that are not so are refused"
