#!/bin/bash
# The main job, shown: a pool at three sites on this machine. hq imports a thousand people, branch
# and edge join and copy, people sign in everywhere, the line to hq is cut, and they go on signing
# in. Installs what is missing on Debian 12, builds, prints a timeline, and ends non-zero when
# anything is not as told. BUILD names the build directory; build/ unless set.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}

tests/support/setup.sh
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
if [ ! -f "$build/build.ninja" ]; then
    "$meson" setup "$build" -Dwerror=true -Dtests=enabled
fi
"$meson" compile -C "$build" examples/tool/countersign:executable
tool=$build/examples/tool/countersign
staff=examples/staff.csv

place=$(mktemp -d)
declare -A serving=()  # process by site
clean_up() {
    local site
    for site in "${!serving[@]}"; do
        kill -KILL "${serving[$site]}" 2>/dev/null || true
        wait "${serving[$site]}" 2>/dev/null || true
    done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

now() { date +%s%N; }
began=$(now)
say() {
    local ms=$((($(now) - began) / 1000000))
    printf '%3d.%03d s  %s\n' $((ms / 1000)) $((ms % 1000)) "$*"
}
fail() {
    say "NOT AS TOLD: $*"
    for log in "$place"/*.log; do
        [ -s "$log" ] && { echo "-- ${log##*/}"; tail -n 15 "$log"; }
    done
    exit 1
}

trap 'fail "line $LINENO of the demo failed"' ERR

# field .NAME COMMAND...: a member of what the tool answers about a site's directory.
field() {
    local path=$1
    shift
    "$tool" --json "$@" 2>>"$place/tool.log" | jq -r "$path"
}
# verdict SITE LOGIN PASSWORD [MORE...]: what the site decides of an attempt.
verdict() {
    local site=$1 login=$2 password=$3
    shift 3
    "$tool" --json login "$place/$site" "$login" --password-stdin "$@" <<<"$password" \
        2>>"$place/tool.log" | jq -r .verdict || true
}
expect() {
    local wanted=$1 got
    shift
    got=$(verdict "$@")
    [ "$got" = "$wanted" ] || fail "$2 at $1 is '$got' instead of '$wanted'"
}
seq_of() { field .seq status "$place/$1"; }
# until SECONDS WHAT COMMAND...: waits for the command to succeed.
until_true() {
    local limit=$1 what=$2 from
    shift 2
    from=$(now)
    until "$@"; do
        [ $((($(now) - from) / 1000000)) -lt $((limit * 1000)) ] || fail "$what, after $limit s"
        sleep 0.05
    done
    took=$((($(now) - from) / 1000000))
}
has_seq() { [ "$(seq_of "$1")" -ge "$2" ]; }
is_listening() { [ -n "$(port_of "$1")" ]; }
port_of() { jq -r 'select(.event == "serving") | .port' "$place/$1.log" 2>/dev/null | tail -n 1; }

serve() {
    local site=$1 listen=$2
    : >"$place/$site.log"
    "$tool" --json serve "$place/$site" --listen "$listen" --backoff-cap 1s \
        >>"$place/$site.log" 2>&1 &
    serving[$site]=$!
    until_true 10 "$site does not serve" is_listening "$site"
}
sites() { local site; for site in hq branch edge; do "$@" "$site"; done; }

marta='pebble harbour kettle 4711'
jens='velvet orchard gravel 2026'
yuki='lantern ripple walnut 8080'
uri_of() { grep "^$1," "$staff" | grep -o 'otpauth://[^,"]*'; }
# code URI [SECONDS]: what an authenticator shows, so many seconds from now.
code() {
    local secret=${1#*secret=}
    oathtool --base32 --totp --now "$(date -u -d "${2:-0} seconds" '+%F %T UTC')" "${secret%%&*}"
}

# Until the step of 30 s that has begun lasts long enough for what is to be done in it.
wait_for_room() {
    local left=$((30 - $(date +%s) % 30))
    [ "$left" -gt 2 ] || sleep "$left"
}

say "a pool begins at hq"
"$tool" init "$place/hq" --name hq --issuer Example >/dev/null
imported=$("$tool" --json user import "$place/hq" "$staff" --report "$place/rejected.csv")
[ "$(jq -r '"\(.imported) \(.rejected)"' <<<"$imported")" = "1000 0" ] || fail "import: $imported"
say "$(grep -c . "$staff" | awk '{print $1 - 1}') people imported at hq," \
    "$(grep -c 'argon2id' "$staff") with a hash made elsewhere," \
    "$(grep -c otpauth "$staff") with an authenticator"
serve hq 127.0.0.1:0
port=$(port_of hq)
say "hq serves on port $port"

for site in branch edge; do
    invitation=$(field .invitation invite "$place/hq" --name "$site" --may serve,propose \
        --address "127.0.0.1:$port")
    joined=$("$tool" --json join "$place/$site" - <<<"$invitation" 2>>"$place/tool.log") ||
        fail "$site cannot join"
    say "$site joined: $(jq -r '"\(.users) users, proved at seq \(.seq) by digest \(.digest[:16])"' \
        <<<"$joined")"
    [ "$(jq -r .users <<<"$joined")" = 1000 ] || fail "$site does not hold all users"
    serve "$site" 127.0.0.1:0
done
if "$tool" --json serve "$place/branch" >"$place/second.log" 2>&1; then fail "two serve branch"; fi
grep -q already_served "$place/second.log" || fail "a second serve gives another error"
say "a second serve at branch is refused"

for site in hq branch edge; do
    expect accepted "$site" marta.silva "$marta"
    expect accepted "$site" jens.holm "$jens"
    expect refused "$site" marta.silva "not $marta"
done
say "people sign in at hq, branch and edge; wrong passwords are refused"
expect code_required branch yuki.mori "$yuki"
shown=$(code "$(uri_of yuki.mori)")
expect accepted branch yuki.mori "$yuki" --code "$shown"
expect refused branch yuki.mori "$yuki" --code "$shown"
say "with an authenticator the password alone is not enough, and a code works once"

for ((i = 0; i < 9; ++i)); do expect refused edge jens.holm "guess $i"; done
expect refused edge jens.holm "guess 9"
expect locked edge jens.holm "$jens"
say "ten guesses at edge lock jens.holm there," \
    "for $(field .retry_after_ms lockout show "$place/edge" jens.holm) ms"

jens='drizzle zephyr inlet 9090'
changed=$(field .seq user passwd "$place/hq" jens.holm --password-stdin <<<"$jens")
until_true 1 "edge has not heard of the new password" has_seq edge "$changed"
expect accepted edge jens.holm "$jens"
say "a new password set at hq was at edge $took ms later, works there, and unlocked jens.holm"

uri=$(field .uri totp enrol "$place/hq" marta.silva --label phone)
wait_for_room
field .seq totp confirm "$place/hq" marta.silva "$(code "$uri" -30)" >"$place/confirmed"
until_true 1 "edge has not heard of the authenticator" has_seq edge "$(cat "$place/confirmed")"
say "marta.silva enrolled an authenticator at hq"

kill -KILL "${serving[hq]}"
wait "${serving[hq]}" 2>/dev/null || true
unset 'serving[hq]'
say "hq is killed"
for site in branch edge; do
    expect accepted "$site" jens.holm "$jens"
    expect code_required "$site" marta.silva "$marta"
done
expect accepted edge marta.silva "$marta" --code "$(code "$uri")"
say "without hq, branch and edge go on signing people in, with their codes"
"$tool" --json user disable "$place/branch" jens.holm 2>"$place/refusal" && fail "branch wrote"
jq -e '.error == "not_primary" and (.message | contains("hq"))' <"$place/refusal" >/dev/null ||
    fail "branch refuses a write otherwise: $(cat "$place/refusal")"
say "a write at branch is refused, naming hq"

last=$(field .seq user set "$place/hq" yuki.mori --email mori@example.org)
serve hq "127.0.0.1:$port"
say "hq is back, with a change that the others have not heard of"
for site in branch edge; do until_true 10 "$site has not caught up" has_seq "$site" "$last"; done
[ "$(field .email user show "$place/edge" yuki.mori)" = mori@example.org ] || fail "edge has no change"
say "branch and edge caught up to seq $last"

verify() {
    field '"\(.ok) seq \(.seq) digest \(.digest)"' log verify "$place/$1"
}
digests=$(sites verify | sort -u)
[ "$(wc -l <<<"$digests")" = 1 ] && [[ $digests == true* ]] || fail "log verify: $digests"
say "log verify passes at all three, with one ${digests#true }"

for site in edge branch hq; do
    kill -TERM "${serving[$site]}"
    wait "${serving[$site]}" || fail "serve at $site ended with status $?"
    unset "serving[$site]"
done
say "all three ended as asked. As told."
