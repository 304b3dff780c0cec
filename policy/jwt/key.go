package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
)

// key verifies tokens with one algorithm.
type key struct {
	// id is its kid; "" where named is false.
	id    string
	named bool
	alg   *algorithm
	// public is []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey, as the algorithm's kind says.
	public any
}

// errNotAllowed is why a good key is not used: its algorithm is none of those that the config names.
var errNotAllowed = errors.New("none of the algorithms that are taken fits it")

// newKey makes a key, if it is strong enough and well formed. alg is the algorithm that the key names, or nil.
func newKey(public any, alg *algorithm, list allowed) (*key, error) {
	var kind keyKind
	var curve elliptic.Curve
	var err error
	switch p := public.(type) {
	case []byte:
		kind = symmetric
	case *rsa.PublicKey:
		kind, err = rsaKey, checkRSA(p)
	case *ecdsa.PublicKey:
		kind, curve, err = ecKey, p.Curve, checkEC(p)
	case ed25519.PublicKey:
		kind, err = edKey, checkEd(p)
	default:
		err = fmt.Errorf("a key of type %T; want RSA, EC on P-256, P-384 or P-521, or Ed25519", public)
	}
	if err != nil {
		return nil, err
	}
	if alg == nil {
		alg = list.choose(kind, curve)
	} else if alg.kind != kind || alg.curve != curve {
		return nil, fmt.Errorf("its algorithm %s does not fit its type", alg.name)
	}
	if alg == nil || !list.has(alg) {
		return nil, errNotAllowed
	}
	if secret, is := public.([]byte); is && len(secret) < alg.hash.Size() {
		return nil, fmt.Errorf("a secret of %d bytes; want %d at least for %s", len(secret), alg.hash.Size(), alg.name)
	}
	return &key{alg: alg, public: public}, nil
}

// Bounds of RSA keys: RFC 7518, section 3.3 for the least, and what one verification may cost for the most.
const (
	minModulus = 2048
	maxModulus = 8192
)

func checkRSA(p *rsa.PublicKey) error {
	switch bits := p.N.BitLen(); {
	case bits < minModulus || bits > maxModulus:
		return fmt.Errorf("an RSA key of %d bits; want %d to %d", bits, minModulus, maxModulus)
	case p.N.Bit(0) == 0:
		return errors.New("an RSA key with an even modulus")
	case p.E < 65537 || p.E&1 == 0:
		return fmt.Errorf("an RSA key with the exponent %d; want an odd one from 65537 on", p.E)
	case roca(p.N):
		return errors.New("an RSA key of the broken generator known as ROCA (CVE-2017-15361)")
	}
	return nil
}

// rocaPrimes are the primes modulo which the generator's moduli are all powers of 65537, and others seldom are: the
// fingerprint of Nemec and others, The Return of Coppersmith's Attack, 2017, section 2.3.
var rocaPrimes = []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// roca tells whether a modulus has the fingerprint of the broken generator; one of 2^27 others has it too.
func roca(n *big.Int) bool {
	for _, p := range rocaPrimes {
		rest := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		power, found := int64(1), false
		for range p {
			found = found || power == rest
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}

func checkEC(p *ecdsa.PublicKey) error {
	switch p.Curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
	default:
		return errors.New("an EC key on a curve that is not used here; want P-256, P-384 or P-521")
	}
	if _, err := p.Bytes(); err != nil {
		return errors.New("an EC key whose point is not on its curve")
	}
	return nil
}

func checkEd(p ed25519.PublicKey) error {
	if len(p) != ed25519.PublicKeySize {
		return fmt.Errorf("an Ed25519 key of %d bytes; want %d", len(p), ed25519.PublicKeySize)
	}
	return nil
}
