#!/bin/sh
# Checks batches with nothing of ours, as lib/README.md says: their chain with b2sum, their
# signatures with openssl. The argument is the program that writes them.
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
verify() {
    signed "$1" "$2" >signed
    openssl pkeyutl -verify -pubin -inkey node.pem -rawin -in signed -sigfile "$3"
}

{ printf 302a300506032b6570032100; tr -d '\n' <node; } | unhex |
    openssl pkey -pubin -inform DER -out node.pem

verify batch first.batch first.signature
verify batch second.batch second.signature
[ "$(hash_of first.batch)" = "$(cat second.previous)" ] || { echo "the chain does not hold"; exit 1; }
echo "the second batch follows the first"

# And what is not so does not pass.
refused() { if verify "$@" >/dev/null 2>&1; then echo "passed, but should not: $*"; exit 1; fi; }
refused batch first.batch second.signature
refused designation first.batch first.signature
cp first.batch changed.batch
printf x >>changed.batch
refused batch changed.batch first.signature
echo "three that are not so are refused"
