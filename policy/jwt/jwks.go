package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
)

// Bounds of a key set.
const (
	maxSet        = 256 << 10 // bytes
	maxKeys       = 100
	maxSetMembers = 5000 // of all its objects, for their names are compared with each other
)

// dropped is a key that is not used, and why.
type dropped struct {
	// place is where it stands in the set, counted from one, and id its kid.
	place int
	id    string
	err   error
	// plain is set for keys that are not meant for signatures, of which nothing need be told.
	plain bool
}

// errOther is why a key is passed over that is meant for something else.
var errOther = errors.New("it is not for signatures that are taken here")

// parseJWKS reads a key set (RFC 7517, section 5). A key that cannot be used is dropped; what makes the whole
// doubtful refuses the set.
func parseJWKS(text []byte, list allowed) (*keySet, []dropped, error) {
	var o objects
	if !o.read(text, maxSetMembers) {
		return nil, nil, errors.New("not a JSON object, or one with a member that comes twice, or with too many")
	}
	i := indexMember(o.members, "keys")
	if i < 0 {
		return nil, nil, errors.New("no member keys; want a key set (JWKS)")
	}
	var keys []*key
	var gone []dropped
	place := 0
	var fault error
	whole := o.each(o.members[i].value, func(raw []byte) bool {
		place++
		k, why, err := parseSetKey(raw, place, list)
		switch {
		case place > maxKeys:
			fault = fmt.Errorf("more than %d keys", maxKeys)
		case err != nil:
			fault = err
		case why != nil:
			gone = append(gone, *why)
		default:
			keys = append(keys, k)
		}
		return fault == nil
	})
	if fault == nil && !whole {
		fault = errors.New("its member keys is no list")
	}
	if fault == nil {
		fault = checkNames(keys)
	}
	if fault != nil {
		return nil, gone, fault
	}
	return newKeySet(keys, false), gone, nil
}

func indexMember(members []member, name string) int {
	for i := range members {
		if string(members[i].name) == name {
			return i
		}
	}
	return -1
}

// checkNames refuses a set that is of no use, and one of which nobody can say which key a name means.
func checkNames(keys []*key) error {
	if len(keys) == 0 {
		return errors.New("no key that can be used")
	}
	seen := map[string]bool{}
	for _, k := range keys {
		if k.named && seen[k.id] {
			return fmt.Errorf("two keys with the name %q", k.id)
		}
		seen[k.id] = k.named
	}
	return nil
}

// parseSetKey reads one key of a set. err refuses the whole set.
func parseSetKey(raw []byte, place int, list allowed) (k *key, why *dropped, err error) {
	j, err := readJWK(raw)
	if err == nil && j.kty == "oct" {
		return nil, nil, errors.New("it holds a secret; whoever can read the set could sign with it")
	}
	if err == nil {
		k, err = j.key(list)
	}
	if err != nil {
		return nil, &dropped{place: place, id: j.kid, err: err, plain: errors.Is(err, errOther) || errors.Is(err, errNotAllowed)}, nil
	}
	k.id, k.named = j.kid, j.named
	return k, nil, nil
}

// jwk is a key as it stands in a set.
type jwk struct {
	kty, crv, alg, use, kid string
	named                   bool
	operations              []string
	hasOperations           bool
	// private is the member that only a private key has, or "".
	private    string
	n, e, x, y []byte
}

// readJWK reads the members of a key that are used.
func readJWK(raw []byte) (jwk, error) {
	var o objects
	var j jwk
	if !o.read(raw, 0) {
		return j, errors.New("not a JSON object")
	}
	for _, m := range o.members {
		if !j.take(&o, m) {
			return j, fmt.Errorf("its member %q is not as it must be", m.name)
		}
	}
	return j, nil
}

func (j *jwk) take(o *objects, m member) (ok bool) {
	switch string(m.name) {
	case "kty":
		j.kty, ok = text(o, m.value)
	case "crv":
		j.crv, ok = text(o, m.value)
	case "alg":
		j.alg, ok = text(o, m.value)
	case "use":
		j.use, ok = text(o, m.value)
	case "kid":
		j.kid, ok = text(o, m.value)
		j.named = true
		return ok && len(j.kid) <= maxKeyName
	case "key_ops":
		j.hasOperations = true
		j.operations, ok = o.texts(m.value)
	case "n":
		j.n, ok = binary(o, m.value)
	case "e":
		j.e, ok = binary(o, m.value)
	case "x":
		j.x, ok = binary(o, m.value)
	case "y":
		j.y, ok = binary(o, m.value)
	case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
		j.private, ok = string(m.name), true
	default:
		ok = true
	}
	return ok
}

// binary is a string of base64url that is not empty.
func binary(o *objects, value []byte) ([]byte, bool) {
	text, ok := o.textOf(value)
	if !ok || len(text) == 0 {
		return nil, false
	}
	return decode(nil, text)
}

// key makes the key, if it is meant for verifying signatures and fits one of the algorithms.
func (j *jwk) key(list allowed) (*key, error) {
	if j.private != "" {
		return nil, fmt.Errorf("it holds its private part (%s) for everyone to read; it must be changed", j.private)
	}
	if j.use != "" && j.use != "sig" {
		return nil, errOther
	}
	if j.hasOperations {
		verifies := false
		for i, op := range j.operations {
			for _, before := range j.operations[:i] {
				if op == before {
					return nil, fmt.Errorf("its operation %q stands there twice", op)
				}
			}
			verifies = verifies || op == "verify"
		}
		if !verifies {
			return nil, errOther
		}
	}
	var alg *algorithm
	if j.alg != "" {
		if alg = algorithmOf(j.alg); alg == nil {
			return nil, errOther
		}
	}
	public, err := j.public()
	if err != nil {
		return nil, err
	}
	return newKey(public, alg, list)
}

func (j *jwk) public() (any, error) {
	switch j.kty {
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ec()
	case "OKP":
		if j.crv != "Ed25519" {
			return nil, errOther
		}
		return ed25519.PublicKey(j.x), nil
	}
	return nil, errOther
}

func (j *jwk) rsa() (any, error) {
	if len(j.n) == 0 || len(j.e) == 0 {
		return nil, errors.New("an RSA key without n or e")
	}
	e := new(big.Int).SetBytes(j.e)
	if e.BitLen() > 31 {
		return nil, errors.New("an RSA key with an exponent of more than 31 bits")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(j.n), E: int(e.Int64())}, nil
}

func (j *jwk) ec() (any, error) {
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[j.crv]
	if curve == nil {
		return nil, errOther
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(j.x) != size || len(j.y) != size {
		return nil, fmt.Errorf("an EC key whose x and y are not %d bytes long", size)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, bytes.Join([][]byte{{4}, j.x, j.y}, nil))
	if err != nil {
		return nil, errors.New("an EC key whose point is not on its curve")
	}
	return public, nil
}
