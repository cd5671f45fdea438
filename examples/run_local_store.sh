#!/bin/sh
# Runs the example in a directory of its own, as a reader would: run_local_store.sh PROGRAM
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$1" "$directory/identity" "$directory/key"
