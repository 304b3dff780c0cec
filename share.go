package sluice

import "reflect"

// Share is what blocks of one sort have in common: the T under key. The first block that asks for it has it opened,
// and all others are given the same, those of every endpoint and those of the node that follows after a reload. So
// fifty endpoints with one policy fetch one key set, and a reload empties no cache. It is closed with the last block
// that asked for it.
//
// The key must tell apart all that open reads of a block, secrets too: keys are shown nowhere. Each type has keys of
// its own, so a kind shares a type of its own. The Env that open is given lives as long as T does: its Cleanup is for
// closing T. T may keep it, but for Keys, which may change with a reload. Where State changes, T is opened anew. An
// error of open is returned, and whoever asks next opens again.
func Share[T any](env *Env, key string, open func(*Env) (T, error)) (T, error) {
	if env.Shared == nil {
		return open(env)
	}
	v, err := env.Shared(ShareKey{reflect.TypeFor[T](), key}, func(env *Env) (any, error) { return open(env) })
	if err != nil {
		var none T
		return none, err
	}
	return v.(T), nil
}

// ShareKey is under what blocks share something: its type, and a key among those of the type.
type ShareKey struct {
	Type reflect.Type
	Key  string
}
