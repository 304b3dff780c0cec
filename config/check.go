package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/sluiceapi/sluice"
)

// Check refuses what is no address to listen on.
func (a *Address) Check() error { return sluice.At("address", checkAddress(a.Address)) }

// Check refuses what is no address to listen on, and wants authorities where certificates of clients are spoken of.
func (a *TLSAddress) Check() error {
	err := sluice.At("address", checkAddress(a.Address))
	if a.ClientCertificates != "" && a.ClientCA == "" {
		err = errors.Join(err, sluice.At("client_certificates", errors.New("nobody vouches for the certificates of clients; want client_ca")))
	}
	return err
}

// Check refuses what is no address to listen on.
func (a *AdminAddress) Check() error { return sluice.At("address", checkAddress(a.Address)) }

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address to listen on; want a host and a port, such as 127.0.0.1:8080 or :8080", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port; want a number from 0 to 65535", port)
	} else if strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q is not a port; want it without zeros before it", port)
	}
	return nil
}

// Check refuses an endpoint without a route, and one with both ways of giving it.
func (e *Endpoint) Check() error {
	switch {
	case e.Route == "" && len(e.Routes) == 0:
		return sluice.At("route", errors.New("this endpoint has no route; want a method and a path, such as GET /products/{id}"))
	case e.Route != "" && len(e.Routes) > 0:
		return sluice.At("routes", errors.New("route and routes are both given; want one of them"))
	}
	return nil
}

// Check refuses an entry that names neither a kind nor a list, or both.
func (p *Policy) Check() error {
	switch {
	case p.Use != "" && len(p.Kinds) > 0:
		return sluice.At(p.Kinds[0].Kind, errors.New("use and a kind stand in one entry; want an entry for each"))
	case p.Use != "" && !sluice.ValidName(p.Use):
		return sluice.At("use", fmt.Errorf("%q is not a name; want that of a list under policies", p.Use))
	}
	return nil
}

// Check refuses fields that are not the user's to set, and an answer without a body that is given one.
func (r *Respond) Check() error {
	err := sluice.CheckFields("headers", r.Headers)
	if (r.Status == 204 || r.Status == 304) && !r.JSON.IsZero() {
		err = errors.Join(err, sluice.At("json", fmt.Errorf("an answer with status %d has no body; want no json, or another status", r.Status)))
	}
	return err
}
