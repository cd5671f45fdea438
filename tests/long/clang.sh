#!/bin/bash
# Builds everything with clang-19, warnings being errors, and runs the short tests; seeds of the
# simulator go the same way there as in the other compiler's SIMULATE: clang.sh SOURCE BUILD SIMULATE
set -euo pipefail
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
if [ ! -f "$2/build.ninja" ]; then
    CC=clang-19 CXX=clang++-19 "$meson" setup "$2" "$1" -Dwerror=true -Dtests=enabled \
        -Doptimization=0 -Ddebug=false
fi
"$meson" compile -C "$2"
"$meson" test -C "$2" --no-rebuild --no-suite packaging --print-errorlogs

traces() {
    "$1" --seeds 12 --jobs "$(nproc)" --traces | grep '^seed .* trace '
}
diff <(traces "$3") <(traces "$2/examples/simulate/countersign-simulate")
