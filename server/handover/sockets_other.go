//go:build !linux

package handover

import (
	"errors"
	"net"
	"os"
)

// IsSupported reports whether sockets can be handed over on this system.
const IsSupported = false

var errUnsupported = errors.New("handover: only Linux can hand sockets over: " + errors.ErrUnsupported.Error())

// Pair returns the two ends of a connection for a conversation.
func Pair() (*net.UnixConn, *os.File, error) { return nil, nil, errUnsupported }

// FromFile makes a connection of an end.
func FromFile(*os.File) (*net.UnixConn, error) { return nil, errUnsupported }

// SendOffer sends an Offer.
func (c *Conn) SendOffer(Offer) error { return errUnsupported }

// ReceiveOffer receives an Offer.
func (c *Conn) ReceiveOffer() (Offer, error) { return Offer{}, errUnsupported }
