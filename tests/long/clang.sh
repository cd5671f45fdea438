#!/bin/bash
# Builds everything with clang-19, warnings being errors, and runs the short tests:
# clang.sh SOURCE BUILD
set -euo pipefail
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
if [ ! -f "$2/build.ninja" ]; then
    CC=clang-19 CXX=clang++-19 "$meson" setup "$2" "$1" -Dwerror=true -Dtests=enabled \
        -Doptimization=0 -Ddebug=false
fi
"$meson" compile -C "$2"
"$meson" test -C "$2" --no-rebuild --no-suite packaging --print-errorlogs
