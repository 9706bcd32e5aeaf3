package forward

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
)

// The fields that a node adds to a request. Those that a client sends are dropped.
const (
	FieldToken  = "Godwit-Node-Token"
	FieldOrigin = "Godwit-Node-Origin"
)

// Origin is what the node that was asked knows of a request.
type Origin struct {
	Node     string     // the ID of that node
	Client   netip.Addr // of the client, as limits count it; the zero value for a program of that machine without one
	Peer     string     // of the connection, as in http.Request.RemoteAddr
	IsSecure bool       // the request came over TLS
}

// originBytesMax is the longest Origin as text.
const originBytesMax = 512

// String returns o as ParseOrigin reads it.
func (o *Origin) String() string {
	v := url.Values{"node": {o.Node}}
	if o.Client.IsValid() {
		v.Set("client", o.Client.String())
	}
	if o.Peer != "" {
		v.Set("peer", o.Peer)
	}
	if o.IsSecure {
		v.Set("tls", "1")
	}
	return v.Encode()
}

var errOrigin = errors.New("forward: the origin of a request is malformed")

// ParseOrigin reads what Origin.String has written. What a newer node adds is ignored.
func ParseOrigin(text string) (o Origin, err error) {
	if len(text) > originBytesMax {
		return Origin{}, errOrigin
	}
	v, err := url.ParseQuery(text)
	if err != nil {
		return Origin{}, fmt.Errorf("%w: %v", errOrigin, err)
	}
	o = Origin{Node: v.Get("node"), Peer: v.Get("peer"), IsSecure: v.Get("tls") == "1"}
	if o.Node == "" {
		return Origin{}, errOrigin
	}
	if client := v.Get("client"); client != "" {
		if o.Client, err = netip.ParseAddr(client); err != nil {
			return Origin{}, fmt.Errorf("%w: %v", errOrigin, err)
		}
	}
	return o, nil
}

type originKey struct{}

// OriginOf returns where a request was asked first, if a Gate has let it in. Nothing in
// the request itself makes one.
func OriginOf(r *http.Request) (o Origin, ok bool) {
	o, ok = r.Context().Value(originKey{}).(Origin)
	return o, ok
}

func withOrigin(r *http.Request, o Origin) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), originKey{}, o))
}
