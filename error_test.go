package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestCodesAreComplete(t *testing.T) {
	t.Parallel()
	if codes := sluice.Codes(); codes[0] != sluice.Internal || !slices.IsSortedFunc(codes[1:], func(a, b sluice.Code) int { return a.Status() - b.Status() }) {
		t.Errorf("the order is %v", codes)
	}
	names, statuses := map[string]bool{}, map[int]bool{}
	for _, c := range sluice.Codes() {
		if c.String() == "" || c.Title() == "" || c.Status() < 400 || c.Status() > 599 {
			t.Errorf("%d is %q, %d, %q", c, c, c.Status(), c.Title())
		}
		if names[c.String()] || statuses[c.Status()] {
			t.Errorf("%s comes twice", c)
		}
		names[c.String()], statuses[c.Status()] = true, true
		if of, ok := sluice.CodeOf(c.Status()); !ok || of != c {
			t.Errorf("%d is %s, want %s", c.Status(), of, c)
		}
	}
	if c, ok := sluice.CodeOf(418); ok || c != sluice.Internal {
		t.Errorf("418 is %s", c)
	}
}

func TestErrorOf(t *testing.T) {
	t.Parallel()
	own := &sluice.Error{Code: sluice.Conflict, Message: "m"}
	for _, tt := range []struct {
		err  error
		code sluice.Code
	}{
		{own, sluice.Conflict},
		{fmt.Errorf("while: %w", own), sluice.Conflict},
		{errors.Join(errors.New("a"), own), sluice.Conflict},
		{fmt.Errorf("while: %w", context.DeadlineExceeded), sluice.GatewayTimeout},
		{os.ErrDeadlineExceeded, sluice.GatewayTimeout},
		{fmt.Errorf("while: %w", context.Canceled), sluice.ClientLeft},
		{errors.New("password: hunter2"), sluice.Internal},
	} {
		e := sluice.ErrorOf(tt.err)
		if e.Code != tt.code || !errors.Is(tt.err, e) && !errors.Is(e, tt.err) {
			t.Errorf("%v: got %s, %v", tt.err, e.Code, e.Err)
		}
		if strings.Contains(e.Message, "hunter2") {
			t.Errorf("the client sees %s", e.Message)
		}
	}
}

func TestErrorSaysItAllToTheOperator(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	e := sluice.Errorf(sluice.BadRequest, cause, "message %d", 1)
	e.Fields = []sluice.InputError{{Name: "id", Message: "too small"}}
	if got, want := e.Error(), "bad_request: message 1; id: too small: cause"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !errors.Is(e, cause) {
		t.Error("the cause is lost")
	}
	if got, want := (&sluice.Error{Code: sluice.Gone}).Error(), "gone"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAtNamesTheField(t *testing.T) {
	t.Parallel()
	if sluice.At("x", nil) != nil {
		t.Error("no mistake has a field")
	}
	cause := errors.New("cause")
	err := sluice.At("tx[1].expect", cause)
	if e, ok := errors.AsType[*sluice.FieldError](err); !ok || e.Field != "tx[1].expect" || !errors.Is(err, cause) || err.Error() != "tx[1].expect: cause" {
		t.Errorf("got %v", err)
	}
	if got := (&sluice.FieldError{Offset: 3, Err: cause}).Error(); got != "cause" {
		t.Errorf("without a field it is %q", got)
	}
}
