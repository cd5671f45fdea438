#!/bin/sh
# Runs an example in a directory of its own: run_in_directory.sh PROGRAM
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$1" "$directory"
