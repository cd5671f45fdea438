#!/usr/bin/env python3
"""The other end of channel_peer.cc, by dissononce (Debian: python3-dissononce) and from what
transport/README.md says of the stream; the same arguments."""

import os
import struct
import sys

try:
    from dissononce.cipher.chachapoly import ChaChaPolyCipher
    from dissononce.dh.x25519.private import PrivateKey
    from dissononce.dh.x25519.public import PublicKey
    from dissononce.dh.x25519.x25519 import X25519DH
    from dissononce.hash.sha512 import SHA512Hash
    from dissononce.processing.handshakepatterns.interactive.IK import IKHandshakePattern
    from dissononce.processing.impl.cipherstate import CipherState
    from dissononce.processing.impl.handshakestate import HandshakeState
    from dissononce.processing.impl.symmetricstate import SymmetricState
    from dissononce.processing.modifiers.psk import PSKPatternModifier
except ImportError as error:
    print(f"skipped: no dissononce here ({error})")
    sys.exit(77)

SIZES = (0, 1, 300, 65_514, 65_515, 200_000, 5, 6, 7, 8, 1_000_000)
PROLOGUE = b"\0\1" + b"\7" * 16
GREETING = (b"from the initiator", b"from the responder")
FRAME, MORE, HANDSHAKE_1, HANDSHAKE_2, SWITCH_KEYS = range(1, 6)
FIRST_PART, LATER_PART = 65_514, 65_518
RENEWED_AT = (2, 4, 7)  # before these frames, which are under way meanwhile


def frame(size):
    return bytes((i * 31 + size) & 0xff for i in range(size))


class Peer:
    def __init__(self, role, own, other, psk):
        self.is_initiator = role == "initiator"
        self.own = X25519DH().generate_keypair(PrivateKey(bytes.fromhex(own)))
        self.other = PublicKey(bytes.fromhex(other))
        self.psk = bytes.fromhex(psk)
        self.renewals = self.frames = 0
        self.partial, self.total = b"", 0

    # The stream.
    def write(self, message):
        sys.stdout.buffer.write(struct.pack(">H", len(message)) + message)
        sys.stdout.buffer.flush()

    def read(self):
        """None at the end of the stream."""
        prefix = sys.stdin.buffer.read(2)
        if not prefix:
            return None
        return sys.stdin.buffer.read(struct.unpack(">H", prefix)[0])

    # Handshakes.
    def handshake(self, before=b""):
        state = HandshakeState(
            SymmetricState(CipherState(ChaChaPolyCipher()), SHA512Hash()), X25519DH())
        state.initialize(PSKPatternModifier(2).modify(IKHandshakePattern()), self.is_initiator,
                         PROLOGUE + before, s=self.own,
                         rs=self.other if self.is_initiator else None, psks=(self.psk,))
        return state

    def write_handshake(self, state):
        message = bytearray()
        ciphers = state.write_message(GREETING[0 if self.is_initiator else 1], message)
        return bytes(message), ciphers

    def read_handshake(self, state, message):
        payload = bytearray()
        ciphers = state.read_message(message, payload)
        assert bytes(payload) == GREETING[1 if self.is_initiator else 0], payload
        assert state.rs.data == self.other.data
        return ciphers

    def agreed(self, state, ciphers):
        """The keys to send and to receive with."""
        self.hash = bytes(state.symmetricstate.get_handshake_hash())
        return ciphers if self.is_initiator else ciphers[::-1]

    # Transport messages.
    def send(self, kind, contents):
        self.write(self.sending.encrypt_with_ad(b"", bytes([kind]) + contents))

    def send_frame(self, content):
        self.send(FRAME, struct.pack(">I", len(content)) + content[:FIRST_PART])
        for at in range(FIRST_PART, len(content), LATER_PART):
            self.send(MORE, content[at:at + LATER_PART])

    def receive(self):
        """A frame, whole; what belongs to renewals is done on the way. None at the end."""
        while (message := self.read()) is not None:
            plain = self.receiving.decrypt_with_ad(b"", message)
            kind, contents = plain[0], plain[1:]
            if kind == FRAME:
                assert not self.partial
                self.total, self.partial = struct.unpack(">I", contents[:4])[0], contents[4:]
            elif kind == MORE:
                assert contents
                self.partial += contents
            elif kind == HANDSHAKE_1:
                self.answer_renewal(contents)
                continue
            elif kind == HANDSHAKE_2:
                self.finish_renewal(contents)
                continue
            else:
                assert kind == SWITCH_KEYS and not contents, plain[:10]
                self.receiving, self.renewals = self.next_receiving, self.renewals + 1
                continue
            if len(self.partial) == self.total:
                whole, self.partial = self.partial, b""
                return whole
        return None

    # Renewals.
    def begin_renewal(self):
        self.renewing = self.handshake(self.hash)
        self.send(HANDSHAKE_1, self.write_handshake(self.renewing)[0])

    def finish_renewal(self, message):
        keys = self.agreed(self.renewing, self.read_handshake(self.renewing, message))
        self.send(SWITCH_KEYS, b"")
        self.sending, self.receiving = keys
        self.renewals += 1

    def answer_renewal(self, message):
        state = self.handshake(self.hash)
        self.read_handshake(state, message)
        answer, ciphers = self.write_handshake(state)
        self.send(HANDSHAKE_2, answer)
        self.sending, self.next_receiving = self.agreed(state, ciphers)

    # The whole.
    def ask(self):
        state = self.handshake()
        self.write(self.write_handshake(state)[0])
        self.sending, self.receiving = self.agreed(state, self.read_handshake(state, self.read()))
        for number, size in enumerate(SIZES):
            if number in RENEWED_AT:
                self.begin_renewal()
            self.send_frame(frame(size))
            assert self.receive() == frame(size)[::-1], size
            self.frames += 1

    def answer(self):
        state = self.handshake()
        self.read_handshake(state, self.read())
        message, ciphers = self.write_handshake(state)
        self.write(message)
        self.sending, self.receiving = self.agreed(state, ciphers)
        try:
            while (content := self.receive()) is not None:
                self.frames += 1
                self.send_frame(content[::-1])
        except BrokenPipeError:
            # The initiator left with a renewal under way; what it wanted is counted. The
            # interpreter would try to flush the rest of it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def run(self):
        if self.is_initiator:
            self.ask()
        else:
            self.answer()
        print(f"dissononce: {self.frames} frames, {self.renewals} renewals", file=sys.stderr)
        return 0 if self.frames == len(SIZES) and self.renewals >= 2 else 1


if __name__ == "__main__":
    sys.exit(Peer(*sys.argv[1:]).run())
