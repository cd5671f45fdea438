#!/usr/bin/env python3
"""Our channel against a Noise library of others, both ways: noise_test.py PROGRAM python|go."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GO_LIBRARIES = "/usr/share/gocode"
SKIPPED = 77
PATIENCE = 60


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def peer_command(language, place):
    """What to run; skips where the library is absent."""
    if language == "python":
        # Debian's own python, whatever other comes first on PATH.
        for python in (sys.executable, "/usr/bin/python3"):
            found = subprocess.run([python, "-c", "import dissononce, cryptography"],
                                   capture_output=True, check=False)
            if found.returncode == 0:
                return [python, os.path.join(HERE, "noise_peer.py")]
        skip("no dissononce here (Debian: python3-dissononce)")
    if not shutil.which("go"):
        skip("no go here (Debian: golang-go)")
    if not os.path.isdir(GO_LIBRARIES + "/src/github.com/flynn/noise"):
        skip("no flynn/noise here (Debian: golang-github-flynn-noise-dev)")
    program = os.path.join(place, "noise_peer")
    subprocess.run(["go", "build", "-o", program, os.path.join(HERE, "noise_peer.go")], check=True,
                   env={**os.environ, "GO111MODULE": "off", "GOPATH": GO_LIBRARIES,
                        "GOCACHE": os.path.join(place, "cache"), "GOFLAGS": "", "CGO_ENABLED": "0"})
    return [program]


def public_key(private):
    """X25519 by RFC 7748 section 5, of the base point: with nothing of either side."""
    p, scalar = 2**255 - 19, bytearray(private)
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    k, x1, x2, z2, x3, z3, swap = int.from_bytes(scalar, "little"), 9, 1, 0, 9, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        x3, z3 = (da + cb)**2 % p, x1 * (da - cb)**2 % p
        x2, z2 = aa * bb % p, (aa - bb) * (aa + 121665 * (aa - bb)) % p
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


def converse(asking, answering, spoil=False):
    """Their exit statuses. `spoil` gives one another psk."""
    keys = [secrets.token_bytes(32) for _ in range(2)]
    psk = secrets.token_bytes(32)
    words = [[role, keys[i].hex(), public_key(keys[1 - i]).hex(), psk.hex()]
             for i, role in enumerate(("initiator", "responder"))]
    if spoil:
        words[1][3] = secrets.token_bytes(32).hex()
    (from_first, to_second), (from_second, to_first) = os.pipe(), os.pipe()
    said = subprocess.DEVNULL if spoil else None
    first = subprocess.Popen(asking + words[0], stdin=from_second, stdout=to_second, stderr=said)
    second = subprocess.Popen(answering + words[1], stdin=from_first, stdout=to_first, stderr=said)
    for end in (from_first, to_second, from_second, to_first):
        os.close(end)
    try:
        return first.wait(timeout=PATIENCE), second.wait(timeout=PATIENCE)
    finally:
        for process in (first, second):
            if process.poll() is None:
                process.kill()
                process.wait()


def main():
    ours, language = [os.path.abspath(sys.argv[1])], sys.argv[2]
    with tempfile.TemporaryDirectory(prefix="countersign-noise-") as place:
        theirs = peer_command(language, place)
        for name, asking, answering in (("we ask", ours, theirs), ("they ask", theirs, ours)):
            ended = converse(asking, answering)
            if ended != (0, 0):
                sys.exit(f"{name}: the initiator ended with {ended[0]}, the responder with {ended[1]}")
            if converse(asking, answering, spoil=True)[0] == 0:
                sys.exit(f"{name}: different pre-shared keys were not noticed")
            print(f"{name}: all frames arrived, under renewed keys too")


if __name__ == "__main__":
    main()
