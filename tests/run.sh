#!/bin/bash
# Installs what is missing, builds, and runs all short tests. The last line counts them.
#   BUILD                the build directory; build/ unless set
#   COUNTERSIGN_VECTORS  published test vectors; ../shared/vectors where that exists
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}

tests/support/setup.sh

# Debian's own, whatever other python comes first on PATH.
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
python=/usr/bin/python3
[ -x "$python" ] || python=python3

if [ -z "${COUNTERSIGN_VECTORS:-}" ] && [ -d ../shared/vectors ]; then
    COUNTERSIGN_VECTORS=$(cd ../shared/vectors && pwd)
fi
export COUNTERSIGN_VECTORS=${COUNTERSIGN_VECTORS:-}

if [ ! -f "$build/build.ninja" ]; then
    # Built to be tested, not to be fast: that takes two thirds of the time.
    "$meson" setup "$build" -Dwerror=true -Dtests=enabled -Doptimization=1 -Ddebug=false
fi
"$meson" compile -C "$build"

status=0
rm -f "$build/meson-logs/testlog.json"
"$meson" test -C "$build" --no-rebuild --print-errorlogs || status=1
"$python" tests/support/count.py "$build/meson-logs/testlog.json" || status=1
exit $status
