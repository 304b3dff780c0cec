package compress

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluiceapi/sluice"
)

// window is how far back zstd looks: it bounds the memory of every stream here and at the client, and more gains
// little on what an API answers.
const window = 256 << 10

// encoder is what the two codings have in common.
type encoder interface {
	io.Writer
	Flush() error
	Close() error
	Reset(io.Writer)
}

// pools keep encoders between answers, because to make one costs more than most answers.
type pools [codings]sync.Pool

func newPools(level string) (*pools, error) {
	gzipLevel, zstdLevel := gzip.DefaultCompression, zstd.SpeedDefault
	switch level {
	case "fast":
		gzipLevel, zstdLevel = gzip.BestSpeed, zstd.SpeedFastest
	case "best":
		gzipLevel, zstdLevel = gzip.BestCompression, zstd.SpeedBetterCompression
	case "default":
	default:
		return nil, fmt.Errorf("unknown level %q; want fast, default or best", level)
	}
	p := &pools{}
	makers := [codings]func() (encoder, error){
		gzipped: func() (encoder, error) { return gzip.NewWriterLevel(nil, gzipLevel) },
		zstded: func() (encoder, error) {
			return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstdLevel), zstd.WithWindowSize(window),
				zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		},
	}
	for c := gzipped; c < codings; c++ {
		first, err := makers[c]()
		if err != nil {
			return nil, err
		}
		p[c].Put(&work{enc: first, home: &p[c]})
		p[c].New = func() any {
			enc, err := makers[c]()
			if err != nil {
				panic("compress: the settings of the first encoder no longer hold: " + err.Error())
			}
			return &work{enc: enc, home: &p[c]}
		}
	}
	return p, nil
}

// maxKept is the largest output that a work keeps for the next answer.
const maxKept = 256 << 10

// work is an encoder with memory for its input and output. It goes back to its pool when the exchange has ended.
type work struct {
	enc  encoder
	home *sync.Pool
	out  []byte
	// in is made for the first stream that the work is used for.
	in []byte
	// What follows is of one stream: see stream.go.
	from  sluice.Stream
	taken int
	live  bool
	err   error
}

// Write takes what the encoder gives out.
func (w *work) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	return len(p), nil
}

func (p *pools) take(c coding) *work {
	w := p[c].Get().(*work)
	w.enc.Reset(w)
	return w
}

func (w *work) putBack() {
	kept := work{enc: w.enc, home: w.home, in: w.in, out: w.out[:0]}
	if cap(kept.out) > maxKept {
		kept.out = nil
	}
	kept.enc.Reset(nil)
	*w = kept
	w.home.Put(w)
}

// whole compresses content in memory.
func (w *work) whole(content []byte) ([]byte, error) {
	if _, err := w.enc.Write(content); err != nil {
		return nil, err
	}
	if err := w.enc.Close(); err != nil {
		return nil, err
	}
	return w.out, nil
}
