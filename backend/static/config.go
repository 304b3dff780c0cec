package static

import (
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/sluiceapi/sluice"
)

// Use answers with what stands in the config, or with files. It holds one of json, body and files; with none the
// answer has no content, as a redirect has none.
//
//	endpoints:
//	  version:
//	    route: GET /version
//	    static:
//	      json: {name: shop, version: 3}
//	  old_shop:
//	    route: GET /shop/{id}
//	    static:
//	      status: 308
//	      headers:
//	        location: /products/{id}
//	  pages:
//	    route: GET /pages/{rest...}
//	    static:
//	      files: public/
//	      headers:
//	        cache-control: max-age=3600
type Use struct {
	// The status of the answer; 200 when left out. Files have statuses of their own.
	Status int `yaml:"status" min:"200" max:"599"`
	// Fields of the answer. Values may hold references in braces; one that comes out empty is left out.
	Headers sluice.Map[sluice.Template] `yaml:"headers"`
	// A JSON value that is sent as it is written here.
	JSON sluice.RawJSON `yaml:"json"`
	// Text that is sent. It may hold references in braces; {{ is a brace.
	Body sluice.Template `yaml:"body"`
	// The content type of body; text/plain; charset=utf-8 when left out.
	Type string `yaml:"type"`
	// A folder whose files are sent. The route's {rest...} says which; of a folder within, its index.html is sent.
	// What lies outside the folder is never sent, not by a link either. Files are sent in parts to who asks for a
	// range, and not at all to who has them already.
	Files sluice.Path `yaml:"files"`
	// Which of the files is sent, where it is not the route's {rest...}. It may hold references in braces.
	Path sluice.Template `yaml:"path"`
	// Send files and folders whose name starts with a dot too. Without it only .well-known is sent.
	Dotfiles bool `yaml:"dotfiles"`
}

// Check refuses what cannot stand together.
func (u *Use) Check() error {
	var errs []error
	contents := 0
	for _, there := range []bool{u.JSON != nil, !u.Body.IsZero(), u.Files != ""} {
		if there {
			contents++
		}
	}
	switch {
	case contents > 1:
		errs = append(errs, errors.New("more than one content; want one of json, body and files"))
	case contents == 0 && u.Status == 0 && len(u.Headers) == 0:
		errs = append(errs, errors.New("nothing to answer with; want one of json, body and files, or a status"))
	case contents == 1 && (u.Status == 204 || u.Status == 205 || u.Status == 304):
		errs = append(errs, sluice.At("status", fmt.Errorf("an answer of status %d has no content", u.Status)))
	}
	errs = append(errs, u.checkFiles(), u.checkType(), sluice.CheckFields("headers", u.Headers))
	return errors.Join(errs...)
}

func (u *Use) checkFiles() error {
	var errs []error
	if u.Files != "" && u.Status != 0 {
		errs = append(errs, sluice.At("status", errors.New("files have statuses of their own; want none")))
	}
	if u.Files == "" && !u.Path.IsZero() {
		errs = append(errs, sluice.At("path", errors.New("a path within no folder; want files")))
	}
	if strings.HasPrefix(u.Path.String(), "/") {
		errs = append(errs, sluice.At("path", errors.New("it starts with a slash; want a path within the folder, such as index.html")))
	}
	if u.Files == "" && u.Dotfiles {
		errs = append(errs, sluice.At("dotfiles", errors.New("there are no files; want files")))
	}
	return errors.Join(errs...)
}

func (u *Use) checkType() error {
	if u.Type == "" {
		return nil
	}
	if u.Body.IsZero() {
		return sluice.At("type", errors.New("json and files have types of their own; want body"))
	}
	if _, _, err := mime.ParseMediaType(u.Type); err != nil || !sluice.ValidFieldValue([]byte(u.Type)) {
		return sluice.At("type", fmt.Errorf("%q is not a content type; want one such as text/html; charset=utf-8", u.Type))
	}
	return nil
}
