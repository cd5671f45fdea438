#!/bin/bash
# Installs the built library into a directory of its own, and builds and runs a program against it
# with what pkg-config says: installed.sh BUILD_DIRECTORY PROGRAM COMPILER...
set -euo pipefail
build=$1
program=$2
shift 2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
"$meson" install -C "$build" --no-rebuild --destdir "$place/root" --quiet

for schema in batch record; do
    [ -n "$(find "$place/root" -path "*/countersign/$schema.capnp")" ] ||
        { echo "no $schema.capnp was installed" >&2; exit 1; }
done
description=$(find "$place/root" -name countersign.pc)
[ -n "$description" ] || { echo "no countersign.pc was installed" >&2; exit 1; }
described() {
    PKG_CONFIG_PATH=$(dirname "$description") PKG_CONFIG_SYSROOT_DIR=$place/root \
        pkg-config "$@" countersign
}
read -ra flags <<<"$(described --cflags --libs)"
"$@" -std=c++2b -O0 "$program" -o "$place/program" "${flags[@]}"
LD_LIBRARY_PATH=$place/root$(PKG_CONFIG_PATH=$(dirname "$description") pkg-config \
    --variable libdir countersign) "$place/program" "$place"
echo "an outside program built with pkg-config runs against the installed library"
