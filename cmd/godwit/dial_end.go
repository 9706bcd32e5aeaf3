package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// closeMeanings say what a close code is used for (RFC 6455 §7.4.1 and the IANA
// registry), for people who have not learnt them by heart. Those of Godwit are in
// package clientproto.
var closeMeanings = map[ws.StatusCode]string{
	wire.CloseNormal:             "what it was for is done",
	wire.CloseGoingAway:          "the server is shutting down, or the page was left",
	wire.CloseProtocolError:      "the other side saw a violation of RFC 6455",
	wire.CloseUnsupportedData:    "a type of message that is not accepted there",
	wire.CloseNoStatus:           "the other side gave no code",
	wire.CloseAbnormal:           "the connection broke without a close frame",
	wire.CloseInvalidPayload:     "text that is not UTF-8, or data that does not fit its type",
	wire.ClosePolicyViolation:    "against the rules of the application",
	wire.CloseMessageTooBig:      "a message longer than is accepted there",
	wire.CloseMandatoryExtension: "the client wanted an extension that the server lacks",
	wire.CloseInternalError:      "the server failed, or a ping was not answered in time",
	wire.CloseServiceRestart:     "the server restarts: connect again after a random wait",
	wire.CloseTryAgainLater:      "the server is overloaded: connect again later",
	wire.CloseBadGateway:         "a gateway got an invalid answer from the server behind it",
}

// explainEnd says how a connection ended, with what its close code means.
func explainEnd(err error) string {
	var e *ws.CloseError
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := e.Code.String()
	if e.Reason != "" {
		text += " " + strconv.Quote(e.Reason)
	}
	if meaning := closeMeanings[e.Code]; meaning != "" {
		text += " (" + meaning + ")"
	} else if c := clientproto.FindCode(uint16(e.Code)); c != nil {
		text += " (Godwit " + c.Name + ": " + strings.TrimSuffix(c.Meaning, ".") + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}
