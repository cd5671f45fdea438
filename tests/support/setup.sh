#!/bin/bash
# Installs what building and testing need and this machine lacks: tests/support/setup.sh [ci|long].
# Debian 12, as root or with sudo; elsewhere it names the packages and goes on. Asks nothing.
set -euo pipefail

packages=(
    g++ meson ninja-build pkg-config python3 git
    libsodium-dev libsqlite3-dev libutf8proc-dev nettle-dev capnproto libcapnp-dev
    libboost1.81-dev libqrencode-dev libcli11-dev
    doctest-dev nlohmann-json3-dev sqlite3 oathtool argon2 jq openssl
)
case ${1:-} in
    '') ;;
    ci) packages+=(clang-format-19 clang-19 libclang-rt-19-dev python3-dissononce) ;;
    long)
        packages+=(clang-format-19 clang-19 libclang-rt-19-dev clang-tidy-19 gcovr valgrind)
        packages+=(python3-dissononce golang-go golang-github-flynn-noise-dev)
        ;;
    *) echo "usage: tests/support/setup.sh [ci|long]" >&2; exit 2 ;;
esac

release=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}" || true)
if [ "$release" != "debian 12" ]; then
    echo "set-up: this is not Debian 12, so nothing is installed. Needed, by Debian's names:"
    echo "    ${packages[*]}"
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "set-up: nothing is missing"
    exit 0
fi

echo "set-up: installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "set-up: neither root nor sudo; let an administrator run:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
    [ -t 0 ] || as_root+=(-n)
fi
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 "$@" </dev/null
}
apt update
apt install -y --no-install-recommends "${missing[@]}"
