package static

import (
	"path"
	"strings"
)

// types are the content types of files by the end of their names. The table is our own, so that a file has the same
// type on every machine.
type types map[string]string

// of is the type of a file; what the table does not know is bytes.
func (t types) of(name string) string {
	if found, ok := t[strings.ToLower(path.Ext(name))]; ok {
		return found
	}
	return "application/octet-stream"
}

func makeTypes() types {
	return types{
		".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
		".txt": "text/plain; charset=utf-8", ".log": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8",
		".csv": "text/csv; charset=utf-8", ".vtt": "text/vtt; charset=utf-8", ".ics": "text/calendar; charset=utf-8",
		".json": "application/json", ".map": "application/json", ".jsonld": "application/ld+json",
		".geojson": "application/geo+json", ".ndjson": "application/x-ndjson", ".webmanifest": "application/manifest+json",
		".xml": "application/xml", ".xsl": "application/xslt+xml", ".atom": "application/atom+xml", ".rss": "application/rss+xml",
		".yaml": "application/yaml", ".yml": "application/yaml", ".wasm": "application/wasm", ".pdf": "application/pdf",
		".zip": "application/zip", ".gz": "application/gzip", ".tar": "application/x-tar", ".zst": "application/zstd",
		".7z": "application/x-7z-compressed", ".epub": "application/epub+zip", ".rtf": "application/rtf",
		".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
		".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon", ".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff",
		".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf",
		".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".wav": "audio/wav", ".flac": "audio/flac", ".m4a": "audio/mp4", ".weba": "audio/webm",
		".mp4": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime", ".mpeg": "video/mpeg",
	}
}
