package jwt

// keySet is the keys of an issuer at one time. It does not change.
type keySet struct {
	named map[string]*key
	// all are the keys by algorithm, unnamed those without a kid.
	all, unnamed map[*algorithm][]*key
	// each has every key tried that fits; otherwise just one may fit.
	each bool
	size int
}

// newKeySet makes a set of keys whose names differ.
func newKeySet(keys []*key, each bool) *keySet {
	s := &keySet{named: map[string]*key{}, all: map[*algorithm][]*key{}, unnamed: map[*algorithm][]*key{}, each: each, size: len(keys)}
	for _, k := range keys {
		s.all[k.alg] = append(s.all[k.alg], k)
		if k.named {
			s.named[k.id] = k
		} else {
			s.unnamed[k.alg] = append(s.unnamed[k.alg], k)
		}
	}
	return s
}

// verify tells whether a key of the set has signed the token. The key is that of the token's kid, else those without
// a name; for a token without a kid, those that fit. Where a set does not have each tried, only one may be left.
func (s *keySet) verify(t *token, signature []byte) refusal {
	if k := s.named[string(t.kid)]; k != nil && t.hasKid {
		if k.alg != t.alg {
			return refusedKeyAlgorithm
		}
		return k.verify(t, signature)
	}
	fit := s.all[t.alg]
	if t.hasKid {
		if fit = s.unnamed[t.alg]; len(fit) == 0 {
			return refusedUnknownKey
		}
	}
	switch {
	case len(fit) == 0:
		return refusedNoKey
	case len(fit) > 1 && !s.each:
		return refusedManyKeys
	}
	why := refusedSignature
	for _, k := range fit {
		if why = k.verify(t, signature); why == "" {
			break
		}
	}
	return why
}

func (k *key) verify(t *token, signature []byte) refusal {
	if !k.alg.verify(k, t.signed, signature) {
		return refusedSignature
	}
	return ""
}
