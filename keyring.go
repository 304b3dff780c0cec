package sluice

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Keyring signs what nodes give to clients and verifies what comes back. The first key signs, all verify, so keys
// can be rotated.
type Keyring struct {
	keys   []signingKey
	random bool
}

type signingKey struct {
	id  string
	key []byte
}

// Random tells whether the keys were made up, so that what they sign is good only as long as they are kept.
func (k *Keyring) Random() bool { return k.random }

// macSize is HMAC-SHA-256 cut to 128 bits, as RFC 2104, section 5 allows.
const macSize = 16

// ErrForged is what Open gives for text that none of the keys has signed.
var ErrForged = errors.New("not signed by any of the keys")

// NewKeyring makes a keyring of secrets; with none it makes a random one, which only this process knows.
func NewKeyring(secrets []Secret) *Keyring {
	k := &Keyring{}
	for _, s := range secrets {
		if s != "" {
			k.add([]byte(s.Reveal()))
		}
	}
	if len(k.keys) == 0 {
		random := make([]byte, 32)
		rand.Read(random) // never fails, crypto/rand says
		k.add(random)
		k.random = true
	}
	return k
}

func (k *Keyring) add(secret []byte) {
	id := sha256.Sum256(append([]byte("sluice key id "), secret...))
	k.keys = append(k.keys, signingKey{id: hex.EncodeToString(id[:4]), key: secret})
}

// Seal signs data for one purpose: text of the form v1.KEY.DATA.MAC that Open takes for the same purpose only. The
// data is signed, not hidden.
func (k *Keyring) Seal(purpose string, data []byte) string {
	key := k.keys[0]
	head := "v1." + key.id + "." + base64.RawURLEncoding.EncodeToString(data)
	return head + "." + key.mac(purpose, head)
}

// Open is the data that was sealed for that purpose, or ErrForged.
func (k *Keyring) Open(purpose, sealed string) ([]byte, error) {
	end := strings.LastIndexByte(sealed, '.')
	if end < 0 {
		return nil, ErrForged
	}
	head, mac := sealed[:end], sealed[end+1:]
	parts := strings.Split(head, ".")
	if len(parts) != 3 || parts[0] != "v1" {
		return nil, ErrForged
	}
	for _, key := range k.keys {
		if key.id == parts[1] && hmac.Equal([]byte(mac), []byte(key.mac(purpose, head))) {
			data, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
			if err != nil {
				return nil, ErrForged
			}
			return data, nil
		}
	}
	return nil, ErrForged
}

// mac is compared as text: decoders of base64 skip line ends, so two texts could have one value.
func (s signingKey) mac(purpose, head string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(head))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:macSize])
}
