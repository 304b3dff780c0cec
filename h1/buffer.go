package h1

// Buffer is the memory into which what a connection brings is read. The zero Buffer has none: Lend gives it some.
//
// What was read is used from its beginning: by Skip, after which it may be overwritten, or by Hold, after which it stays
// as it is until Release. So a message's header can be referred to for as long as the message is dealt with, while its
// body is read through the same memory.
type Buffer struct {
	mem              []byte
	held, start, end int
}

// Lend gives the buffer memory, which it uses from its beginning on.
func (b *Buffer) Lend(mem []byte) { *b = Buffer{mem: mem[:cap(mem)]} }

// Take takes the memory back, which may have grown since. What was in it is forgotten.
func (b *Buffer) Take() []byte {
	mem := b.mem
	*b = Buffer{}
	return mem
}

// Bytes are what was read and not used yet.
func (b *Buffer) Bytes() []byte { return b.mem[b.start:b.end] }

// Len is how many bytes were read and not used yet.
func (b *Buffer) Len() int { return b.end - b.start }

// Skip uses n bytes.
func (b *Buffer) Skip(n int) {
	if b.start += n; b.start == b.end && b.held == 0 {
		b.start, b.end = 0, 0
	}
}

// Hold uses n bytes, which stay until Release.
func (b *Buffer) Hold(n int) []byte {
	p := b.mem[b.start : b.start+n : b.start+n]
	b.start += n
	b.held = b.start
	return p
}

// Release lets what was held be overwritten.
func (b *Buffer) Release() {
	if b.held = 0; b.start == b.end {
		b.start, b.end = 0, 0
	}
}

// Space is where more can be read to, behind Bytes, of which there are never more than limit; empty when there are so
// many. Making space may move Bytes.
func (b *Buffer) Space(limit int) []byte {
	room := limit - b.Len()
	if room <= 0 {
		return nil
	}
	if len(b.mem)-b.end < min(minSpace/2, room) {
		b.widen(limit)
	}
	p := b.mem[b.end:]
	return p[:min(len(p), room)]
}

// widen makes room: by moving Bytes to where they may begin, or by memory that is twice as large. What is held stays in
// the memory before, as long as somebody refers to it.
func (b *Buffer) widen(limit int) {
	to := b.mem[b.held:]
	if n := b.Len(); 2*n > len(to) || len(to) < minSpace {
		to = make([]byte, max(minSpace, min(2*len(b.mem), max(limit, 2*n))))
		n = copy(to, b.Bytes())
		*b = Buffer{mem: to, end: n}
		return
	}
	n := copy(to, b.Bytes())
	b.start, b.end = b.held, b.held+n
}

// minSpace is the least memory worth reading into.
const minSpace = 1 << 10

// Filled takes account of n bytes that were read into Space.
func (b *Buffer) Filled(n int) { b.end += n }
