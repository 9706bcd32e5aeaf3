package inspect

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"
)

// connectGrace is how long other addresses of a name may still take once one has
// accepted: long enough to see whether they work too.
const connectGrace = time.Second

var errNoAddress = errors.New("the name has no address")

// lookup resolves host, and notes it in x. An address is returned as it is.
func (in *inspector) lookup(ctx context.Context, host string, x *Exchange) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, in.options.Timeout)
	defer cancel()
	began := time.Now()
	addresses, err := in.options.Lookup(ctx, host)
	x.DNS = &Lookup{Name: printable(host, quotedBytesMax), Addresses: []string{}, Took: time.Since(began)}
	for i, a := range addresses {
		addresses[i] = a.Unmap()
		x.DNS.Addresses = append(x.DNS.Addresses, addresses[i].String())
	}
	if err == nil && len(addresses) == 0 {
		err = errNoAddress
	}
	return addresses[:min(len(addresses), addressesMax)], err
}

// connect resolves host and connects to it. The first time it tries every
// address, so that the report can say which work; after that it takes the one
// that worked. The stage is the failed one.
func (in *inspector) connect(ctx context.Context, host, port string, x *Exchange) (net.Conn, stage, error) {
	key := net.JoinHostPort(host, port)
	if address, ok := in.worked[key]; ok {
		ctx, cancel := context.WithTimeout(ctx, in.options.Timeout)
		defer cancel()
		began := time.Now()
		nc, err := in.options.Dial(ctx, "tcp", address)
		x.TCP = append(x.TCP, dialed(address, time.Since(began), err))
		x.TCP[0].Used = err == nil
		return nc, atTCP, err
	}
	addresses, err := in.lookup(ctx, host, x)
	if err != nil {
		return nil, atDNS, err
	}
	nc, err := in.connectAny(ctx, addresses, port, x)
	if err == nil {
		for _, d := range x.TCP {
			if d.Used {
				in.worked[key] = d.Address
			}
		}
	}
	return nc, atTCP, err
}

// connectAny connects to all addresses at once and keeps the first of the list
// that works.
func (in *inspector) connectAny(ctx context.Context, addresses []netip.Addr, port string, x *Exchange) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, in.options.Timeout)
	defer cancel()
	type outcome struct {
		i    int
		nc   net.Conn
		took time.Duration
		err  error
	}
	outcomes := make(chan outcome)
	began := time.Now()
	for i, a := range addresses {
		go func() {
			nc, err := in.options.Dial(ctx, "tcp", net.JoinHostPort(a.String(), port))
			outcomes <- outcome{i, nc, time.Since(began), err}
		}()
	}
	x.TCP = make([]Dialed, len(addresses))
	conns := make([]net.Conn, len(addresses))
	var first error
	for range addresses { // each reports, because ctx ends
		o := <-outcomes
		conns[o.i] = o.nc
		x.TCP[o.i] = dialed(net.JoinHostPort(addresses[o.i].String(), port), o.took, o.err)
		if o.err == nil {
			time.AfterFunc(connectGrace, cancel) // a second call does no harm
		} else if first == nil {
			first = o.err
		}
	}
	var used net.Conn
	for i, nc := range conns {
		switch {
		case nc == nil:
		case used == nil:
			used, x.TCP[i].Used = nc, true
		default:
			nc.Close()
		}
	}
	if used == nil {
		return nil, first
	}
	return used, nil
}

func dialed(address string, took time.Duration, err error) Dialed {
	d := Dialed{Address: address, Took: took}
	if err != nil {
		d.Error = explainError(err)
	}
	return d
}

// judgeDNS explains why a name could not be resolved.
func (in *inspector) judgeDNS(name string, err error) {
	var de *net.DNSError
	switch {
	case errors.As(err, &de) && de.IsNotFound, errors.Is(err, errNoAddress):
		in.found("dns-not-found", "The name "+quote(name)+" does not exist, or has no address.",
			"Look for a typing mistake; if the name is one of a private network, connect to that network, or ask its name server.")
	default:
		in.found("dns-failed", "The name "+quote(name)+" could not be looked up: "+explainError(err)+".",
			"Check this machine's network and its name servers, and try again.")
	}
}

// judgeTCP explains why no connection was made to any of the addresses.
func (in *inspector) judgeTCP(t *target, x *Exchange, err error) {
	at := "any address of " + quote(t.host())
	if len(x.TCP) == 1 {
		at = x.TCP[0].Address
	}
	kind := errorKind(err)
	for _, d := range x.TCP { // refused says more than a timeout
		if d.Error == refusedText {
			kind = refused
		}
	}
	switch kind {
	case refused:
		in.found("tcp-refused", "Nothing listens on "+at+": the connection was refused.",
			"Start the server, check that it listens on this address (0.0.0.0 or [::] for all, and not only 127.0.0.1) and that the port is right.")
	case timedOut:
		in.found("tcp-timeout", "No answer from "+at+" within "+show(in.options.Timeout)+": packets are dropped on the way.",
			"Check that the address is right and the machine is up, and that firewalls and security groups let the port "+t.port()+" through.")
	case unreachable:
		in.found("tcp-unreachable", "There is no route to "+at+".",
			"Check this machine's network, and whether the address belongs to a private network or to IPv6 that is missing here.")
	default:
		in.found("tcp-failed", "Connecting to "+at+" failed: "+explainError(err)+".", "Check the network between here and there.")
	}
}

// judgeConnected says which address was used, and which did not work.
func (in *inspector) judgeConnected(x *Exchange) {
	if x.DNS != nil {
		in.found("dns-ok", "The name resolves to "+strings.Join(x.DNS.Addresses[:min(len(x.DNS.Addresses), addressesMax)], ", ")+".", "")
	}
	var failed []string
	for _, d := range x.TCP {
		if d.Error != "" {
			failed = append(failed, d.Address+" ("+d.Error+")")
		}
		if d.Used {
			in.found("tcp-ok", "A connection to "+d.Address+" took "+show(d.Took)+".", "")
		}
	}
	if len(failed) > 0 {
		in.found("tcp-some", "Not every address of the name accepts connections: "+strings.Join(failed, ", ")+".",
			"Clients that try such an address first are slow or fail: start the server there, or remove the address from the DNS.")
	}
}
