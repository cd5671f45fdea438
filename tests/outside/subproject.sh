#!/bin/bash
# Uses the project as a meson subproject of another: subproject.sh SOURCE_DIRECTORY PROGRAM
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
mkdir -p "$place/outer/subprojects" "$place/run"
ln -s "$1" "$place/outer/subprojects/countersign"
cp "$2" "$place/outer/program.cc"
cat >"$place/outer/meson.build" <<'END'
project('outer', 'cpp', meson_version: '>=1.0.1')
add_project_arguments('-std=c++2b', language: 'cpp')
countersign = dependency('countersign', fallback: 'countersign')
executable('program', 'program.cc', dependencies: countersign)
END
# Not optimised: this test is about the build, the others are about what is built.
"$meson" setup "$place/build" "$place/outer" -Doptimization=0 -Ddebug=false \
    -Dcountersign:tests=disabled -Dcountersign:transport=disabled -Dcountersign:tool=disabled \
    >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }
"$meson" compile -C "$place/build" program >"$place/log" 2>&1 ||
    { tail -n 40 "$place/log"; exit 1; }
"$place/build/program" "$place/run"
echo "an outside program built with countersign as a subproject runs"
