#!/bin/bash
# What the unit tests reach of the libraries; fails below nine lines of ten: coverage.sh SOURCE BUILD
set -euo pipefail
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
if [ ! -f "$2/build.ninja" ]; then
    "$meson" setup "$2" "$1" -Dtests=enabled -Db_coverage=true -Doptimization=0 -Ddebug=false
fi
find "$2" -name '*.gcda' -delete
"$meson" test -C "$2" --print-errorlogs --timeout-multiplier 4 unit pools
# Cap'n Proto's generated code is not ours.
status=0
gcovr --root "$1" --filter "$1/lib/" --filter "$1/transport/" --exclude '.*\.capnp.*' \
    --exclude-throw-branches --json-summary "$2/coverage.json" --fail-under-line 90 "$2" || status=$?
python3 "$(dirname "$0")/coverage_by_room.py" "$2/coverage.json"
exit $status
