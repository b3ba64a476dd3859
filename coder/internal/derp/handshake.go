package derp

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"
)

const (
	magic     = "DERP🔑"
	version   = 2
	nonceSize = 24
)

// greeting is what both sides seal. Relays and clients ignore most of it.
type greeting struct {
	Version     int  `json:"version"`
	CanAckPings bool `json:",omitempty"`
}

// NewPrivateKey makes a private key, clamped as WireGuard wants it.
func NewPrivateKey() Key {
	var k Key
	_, _ = rand.Read(k[:]) // never fails
	k[0] &= 248
	k[31] = k[31]&127 | 64
	return k
}

// Public is the public key of a private one.
func (k Key) Public() Key {
	p, err := curve25519.X25519(k[:], curve25519.Basepoint)
	if err != nil {
		panic(err) // the base point is no point of low order
	}
	return Key(p)
}

// Greet is the client's side of the beginning. It says whether the relay is the
// client's home, where peers look for it.
func Greet(w io.Writer, r *Reader, private Key, home bool) error {
	t, body, err := r.Next()
	if err != nil {
		return fmt.Errorf("read the relay's key: %w", err)
	}
	if t != ServerKey || len(body) < len(magic)+len(Key{}) || string(body[:len(magic)]) != magic {
		return errors.New("what answers is no DERP relay")
	}
	relay := Key(body[len(magic):][:len(Key{})])
	info, err := json.Marshal(greeting{Version: version, CanAckPings: true})
	if err != nil {
		return err
	}
	public := private.Public()
	out := AppendFrame(nil, ClientInfo, public[:], seal(info, relay, private))
	if home {
		out = AppendFrame(out, Preferred, []byte{1})
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("greet the relay: %w", err)
	}
	t, body, err = r.Next()
	if err != nil {
		return fmt.Errorf("read the relay's greeting: %w", err)
	}
	if t != ServerInfo {
		return fmt.Errorf("the relay sent a frame of type 0x%02x where its greeting belongs", byte(t))
	}
	if _, ok := open(body, relay, private); !ok {
		return errors.New("the relay's greeting can't be opened: it was sealed for somebody else")
	}
	return nil
}

// Welcome is the relay's side of the beginning, up to the client's public key.
// The client takes the connection for usable once it is admitted: see [Admit].
func Welcome(w io.Writer, r *Reader, private Key) (client Key, err error) {
	public := private.Public()
	if _, err := w.Write(AppendFrame(nil, ServerKey, []byte(magic), public[:])); err != nil {
		return Key{}, err
	}
	t, body, err := r.Next()
	if err != nil {
		return Key{}, err
	}
	if t != ClientInfo || len(body) < len(client) {
		return Key{}, errors.New("derp: the client did not say who it is")
	}
	copy(client[:], body)
	raw, ok := open(body[len(client):], client, private)
	if !ok {
		return Key{}, errors.New("derp: the client's greeting can't be opened")
	}
	var g greeting
	if err := json.Unmarshal(raw, &g); err != nil {
		return Key{}, fmt.Errorf("derp: the client's greeting: %w", err)
	}
	if g.Version != version {
		return Key{}, fmt.Errorf("derp: the client speaks version %d, want %d", g.Version, version)
	}
	return client, nil
}

// Admit ends the beginning. The relay must know by then what the client's key
// is for: packets may come at once.
func Admit(w io.Writer, client, private Key) error {
	info, err := json.Marshal(greeting{Version: version})
	if err != nil {
		return err
	}
	_, err = w.Write(AppendFrame(nil, ServerInfo, seal(info, client, private)))
	return err
}

func seal(b []byte, to, from Key) []byte {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return box.Seal(nonce[:], b, &nonce, (*[32]byte)(&to), (*[32]byte)(&from))
}

func open(b []byte, from, to Key) ([]byte, bool) {
	if len(b) < nonceSize {
		return nil, false
	}
	nonce := [nonceSize]byte(b[:nonceSize])
	return box.Open(nil, b[nonceSize:], &nonce, (*[32]byte)(&from), (*[32]byte)(&to))
}
