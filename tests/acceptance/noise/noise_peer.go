// The other end of channel_peer.cc, by flynn/noise (Debian: golang-github-flynn-noise-dev) and from
// what transport/README.md says of the stream; the same arguments.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/flynn/noise"
)

const (
	kindFrame = 1 + iota
	kindMore
	kindHandshake1
	kindHandshake2
	kindSwitchKeys
)
const firstPart, laterPart = 65514, 65518

var sizes = []int{0, 1, 300, 65514, 65515, 200000, 5, 6, 7, 8, 1000000}
var prologue = append([]byte{0, 1}, bytes.Repeat([]byte{7}, 16)...)
var greeting = [][]byte{[]byte("from the initiator"), []byte("from the responder")}
var input = bufio.NewReader(os.Stdin)

type peer struct {
	isInitiator                       bool
	own                               noise.DHKey
	other, psk, hash                  []byte
	sending, receiving, nextReceiving *noise.CipherState
	renewing                          *noise.HandshakeState
	frames, renewals, total           int
	partial                           []byte
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "flynn/noise:", err)
		os.Exit(1)
	}
}

func require(holds bool, what string) {
	if !holds {
		must(fmt.Errorf("does not hold: %s", what))
	}
}

func frame(size int) []byte {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i*31 + size)
	}
	return content
}

func reversed(content []byte) []byte {
	back := make([]byte, len(content))
	for i, b := range content {
		back[len(content)-1-i] = b
	}
	return back
}

func write(message []byte) {
	prefix := make([]byte, 2)
	binary.BigEndian.PutUint16(prefix, uint16(len(message)))
	_, err := os.Stdout.Write(append(prefix, message...))
	// The initiator may leave with a renewal under way; reading then says so.
	if !errors.Is(err, syscall.EPIPE) {
		must(err)
	}
}

// Nil at the end of the stream.
func read() []byte {
	prefix := make([]byte, 2)
	if _, err := io.ReadFull(input, prefix); err == io.EOF {
		return nil
	} else {
		must(err)
	}
	message := make([]byte, binary.BigEndian.Uint16(prefix))
	_, err := io.ReadFull(input, message)
	must(err)
	return message
}

func (p *peer) handshake(before []byte) *noise.HandshakeState {
	config := noise.Config{
		CipherSuite:           noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA512),
		Pattern:               noise.HandshakeIK,
		Initiator:             p.isInitiator,
		Prologue:              append(append([]byte{}, prologue...), before...),
		PresharedKey:          p.psk,
		PresharedKeyPlacement: 2,
		StaticKeypair:         p.own,
	}
	if p.isInitiator {
		config.PeerStatic = p.other
	}
	state, err := noise.NewHandshakeState(config)
	must(err)
	return state
}

func (p *peer) side() int {
	if p.isInitiator {
		return 0
	}
	return 1
}

func (p *peer) writeHandshake(state *noise.HandshakeState) ([]byte, [2]*noise.CipherState) {
	message, first, second, err := state.WriteMessage(nil, greeting[p.side()])
	must(err)
	return message, [2]*noise.CipherState{first, second}
}

func (p *peer) readHandshake(state *noise.HandshakeState, message []byte) [2]*noise.CipherState {
	payload, first, second, err := state.ReadMessage(nil, message)
	must(err)
	require(bytes.Equal(payload, greeting[1-p.side()]), "the payload of the handshake")
	require(bytes.Equal(state.PeerStatic(), p.other), "the peer's static key")
	return [2]*noise.CipherState{first, second}
}

// The keys to send and to receive with.
func (p *peer) agreed(state *noise.HandshakeState, ciphers [2]*noise.CipherState) (*noise.CipherState, *noise.CipherState) {
	p.hash = state.ChannelBinding()
	return ciphers[p.side()], ciphers[1-p.side()]
}

func (p *peer) send(kind byte, contents []byte) {
	message, err := p.sending.Encrypt(nil, nil, append([]byte{kind}, contents...))
	must(err)
	write(message)
}

func (p *peer) sendFrame(content []byte) {
	first := len(content)
	if first > firstPart {
		first = firstPart
	}
	size := make([]byte, 4)
	binary.BigEndian.PutUint32(size, uint32(len(content)))
	p.send(kindFrame, append(size, content[:first]...))
	for at := first; at < len(content); {
		end := at + laterPart
		if end > len(content) {
			end = len(content)
		}
		p.send(kindMore, content[at:end])
		at = end
	}
}

// A frame, whole; what belongs to renewals is done on the way. Nil at the end.
func (p *peer) receive() []byte {
	for {
		message := read()
		if message == nil {
			return nil
		}
		plain, err := p.receiving.Decrypt(nil, nil, message)
		must(err)
		kind, contents := plain[0], plain[1:]
		switch kind {
		case kindFrame:
			require(len(p.partial) == 0, "frames one after the other")
			p.total = int(binary.BigEndian.Uint32(contents))
			p.partial = append([]byte{}, contents[4:]...)
		case kindMore:
			require(len(contents) > 0, "parts that hold something")
			p.partial = append(p.partial, contents...)
		case kindHandshake1:
			p.answerRenewal(contents)
			continue
		case kindHandshake2:
			p.finishRenewal(contents)
			continue
		default:
			require(kind == kindSwitchKeys && len(contents) == 0, "a known kind")
			p.receiving = p.nextReceiving
			p.renewals++
			continue
		}
		if len(p.partial) == p.total {
			whole := p.partial
			p.partial = nil
			return whole
		}
	}
}

func (p *peer) beginRenewal() {
	p.renewing = p.handshake(p.hash)
	message, _ := p.writeHandshake(p.renewing)
	p.send(kindHandshake1, message)
}

func (p *peer) finishRenewal(message []byte) {
	sending, receiving := p.agreed(p.renewing, p.readHandshake(p.renewing, message))
	p.send(kindSwitchKeys, nil)
	p.sending, p.receiving = sending, receiving
	p.renewals++
}

func (p *peer) answerRenewal(message []byte) {
	state := p.handshake(p.hash)
	p.readHandshake(state, message)
	answer, ciphers := p.writeHandshake(state)
	p.send(kindHandshake2, answer)
	p.sending, p.nextReceiving = p.agreed(state, ciphers)
}

func (p *peer) ask() {
	state := p.handshake(nil)
	message, _ := p.writeHandshake(state)
	write(message)
	p.sending, p.receiving = p.agreed(state, p.readHandshake(state, read()))
	for number, size := range sizes {
		if number == 2 || number == 4 || number == 7 {
			p.beginRenewal()
		}
		p.sendFrame(frame(size))
		require(bytes.Equal(p.receive(), reversed(frame(size))), "a frame comes back in reverse")
		p.frames++
	}
}

func (p *peer) answer() {
	state := p.handshake(nil)
	p.readHandshake(state, read())
	message, ciphers := p.writeHandshake(state)
	write(message)
	p.sending, p.receiving = p.agreed(state, ciphers)
	for {
		content := p.receive()
		if content == nil {
			return
		}
		p.frames++
		p.sendFrame(reversed(content))
	}
}

func unhex(text string) []byte {
	data, err := hex.DecodeString(text)
	must(err)
	return data
}

func main() {
	signal.Ignore(syscall.SIGPIPE)
	require(len(os.Args) == 5, "four arguments")
	// What it takes for random becomes the private key.
	own, err := noise.DH25519.GenerateKeypair(bytes.NewReader(unhex(os.Args[2])))
	must(err)
	p := &peer{
		isInitiator: os.Args[1] == "initiator",
		own:         own,
		other:       unhex(os.Args[3]),
		psk:         unhex(os.Args[4]),
	}
	if p.isInitiator {
		p.ask()
	} else {
		p.answer()
	}
	fmt.Fprintf(os.Stderr, "flynn/noise: %d frames, %d renewals\n", p.frames, p.renewals)
	require(p.frames == len(sizes) && p.renewals >= 2, "all frames, and renewals")
}
