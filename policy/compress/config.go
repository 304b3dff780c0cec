package compress

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluiceapi/sluice"
)

// Config compresses answers with zstd or gzip, whichever the client prefers by its Accept-Encoding; where it has no
// preference, with zstd. Streams are compressed as they come: what a backend has sent is passed on at once.
//
// An answer stays as it is when it is compressed already, small, of another type, partial (206), or marked with
// Cache-Control: no-transform. A compressed answer has a weak ETag, because other bytes now stand for the same
// content, and cannot be asked for in ranges.
//
//	every_endpoint:
//	  - compress:
//	      min_size: 2KB
//	      level: fast
type Config struct {
	// The smallest answer that is compressed, where its size is known.
	MinSize sluice.Size `yaml:"min_size"`
	// The content types that are compressed. Left out, text/*, JSON, XML, JavaScript, WebAssembly, SVG and the like.
	// A star stands for any subtype, also behind a suffix: text/*, application/*+json.
	Types []string `yaml:"types"`
	// How much work is spent on making answers small: fast, default or best.
	Level string `yaml:"level" enum:"fast,default,best"`
}

// defaultMinSize spares small answers the work, which would save no packet.
const defaultMinSize = 1000

func defaults() Config {
	return Config{MinSize: defaultMinSize, Level: "default", Types: textual()}
}

// textual are the types of what is text inside, whatever it is called.
func textual() []string {
	return []string{"text/*", "application/json", "application/*+json", "application/xml", "application/*+xml",
		"application/javascript", "application/x-ndjson", "application/x-javascript", "application/wasm",
		"application/yaml", "application/graphql", "application/x-www-form-urlencoded", "application/manifest+json",
		"application/vnd.ms-fontobject", "font/ttf", "font/otf", "image/svg+xml", "image/bmp", "image/x-icon"}
}

// Check refuses types that are none.
func (c *Config) Check() error {
	var errs []error
	for i, text := range c.Types {
		if _, err := parseType(text); err != nil {
			errs = append(errs, sluice.At(fmt.Sprintf("types[%d]", i), err))
		}
	}
	if len(c.Types) == 0 {
		errs = append(errs, sluice.At("types", errors.New("nothing is compressed; want types such as text/*")))
	}
	return errors.Join(errs...)
}

// mediaType is a content type, or a pattern for its subtypes: then star is set, and rest is what they end with.
type mediaType struct {
	text string
	star bool
	rest string
}

func parseType(text string) (mediaType, error) {
	kind, subtype, found := strings.Cut(text, "/")
	if !found || kind == "" || subtype == "" || strings.ContainsAny(text, " ;,\t") || strings.ToLower(text) != text {
		return mediaType{}, fmt.Errorf("%q is not a content type in lower case; want one such as application/json or text/*", text)
	}
	rest, star := strings.CutPrefix(subtype, "*")
	if strings.Contains(kind+rest, "*") {
		return mediaType{}, fmt.Errorf("%q has a star where none can stand; want it for the subtype, such as text/* or application/*+json", text)
	}
	if star {
		return mediaType{text: kind + "/", star: true, rest: rest}, nil
	}
	return mediaType{text: text}, nil
}
