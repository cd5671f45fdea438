#!/bin/bash
# Runs the unit tests under clang-19's thread sanitizer: threads.sh SOURCE BUILD
set -euo pipefail
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
if [ ! -f "$2/build.ninja" ]; then
    CC=clang-19 CXX=clang++-19 "$meson" setup "$2" "$1" -Dtests=enabled -Db_sanitize=thread \
        -Db_lundef=false -Doptimization=1 -Ddebug=false -Dcpp_args=-gline-tables-only
fi
TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
    "$meson" test -C "$2" --print-errorlogs --timeout-multiplier 6 unit pools
