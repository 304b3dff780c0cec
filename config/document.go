package config

import "github.com/sluiceapi/sluice"

// Document is what was read from the files: the filled File, where everything in it stands, and every mistake found
// so far. Whoever makes a node from it adds the mistakes that only it can find, so that all come out together.
type Document struct {
	File File
}

// Options say how files are read.
type Options struct {
	// Lookup finds an environment variable; config does not read the environment itself.
	Lookup func(name string) (string, bool)
}

// Load reads the files: the first is the base, the others are laid over it. It never returns nil; Err tells what is
// wrong.
func Load(files []string, o Options) *Document

// Fault adds what is wrong at a path such as "endpoints.get.route". Errors joined with errors.Join are taken apart,
// and a *sluice.FieldError adds its field to the path.
func (d *Document) Fault(path string, err error)

// Err is Mistakes, in the order of the files and lines, or nil.
func (d *Document) Err() error

// Sources are all files that were read, also those of include: and ${file:…}, to be watched for changes.
func (d *Document) Sources() []string

// References calls yield for every reference in a filled value, with a func that adds a mistake at its place. path
// is where the value stands. It may be called more than once.
func (d *Document) References(path string, filled any, yield func(r *sluice.Reference, fault func(error)))

// Block is a piece of YAML named by its kind, not yet filled.
type Block struct {
	// Kind is the key.
	Kind string
	// Path is where the block stands, such as "endpoints.get.sql".
	Path string
	doc  *Document
}

// Fill fills a struct from the block over the defaults that stand in it, then calls its Check. Mistakes go to the
// document; ok tells that there were none.
func (b Block) Fill(into any) (ok bool)

// Fingerprint is equal for two blocks with equal content after expansion, and for no others.
func (b Block) Fingerprint() string
