package natsbroker

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// ack is the answer of the stream to a message.
type ack struct {
	seq       uint64
	duplicate bool
	err       *apiError
}

// apiError is an error that JetStream answers.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// Error is what the server says, with its number.
func (e *apiError) Error() string {
	return fmt.Sprintf("NATS answers: %s (%d)", e.Description, e.ErrCode)
}

// Numbers of errors of JetStream.
const (
	codeNotFound       = 10037 // no message found
	codeStreamNotFound = 10059
	codeWrongLast      = 10071 // the expected last sequence is another
	codeDuplicateBusy  = 10158 // a message with this ID is being stored
)

// isPassing reports whether the server may answer otherwise in a moment.
func (e *apiError) isPassing() bool {
	return e.Code == 503 || e.Code == 429 || e.ErrCode == codeDuplicateBusy || e.ErrCode == codeStreamNotFound
}

// ParseAck reads the answer to a message. It is called for every publication, so what
// the server usually says is read without its reflection.
func ParseAck(stream string, data []byte) (ack, error) {
	if rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`)); ok && len(rest) > len(stream) && string(rest[:len(stream)]) == stream {
		if digits, ok := bytes.CutPrefix(rest[len(stream):], []byte(`","seq":`)); ok {
			var seq uint64
			i := 0
			for ; i < len(digits) && i < 19 && '0' <= digits[i] && digits[i] <= '9'; i++ {
				seq = seq*10 + uint64(digits[i]-'0')
			}
			if i > 0 && digits[0] != '0' && i == len(digits)-1 && digits[i] == '}' {
				return ack{seq: seq}, nil
			}
		}
	}
	var answer struct {
		Seq       uint64    `json:"seq"`
		Duplicate bool      `json:"duplicate"`
		Error     *apiError `json:"error"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return ack{}, fmt.Errorf("natsbroker: what came is no acknowledgement: %w", err)
	}
	if answer.Error == nil && answer.Seq == 0 {
		return ack{}, fmt.Errorf("natsbroker: an acknowledgement without a number")
	}
	return ack{answer.Seq, answer.Duplicate, answer.Error}, nil
}

// isNoResponders reports whether m is the server's answer that nobody listens.
func isNoResponders(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get("Status") == "503"
}
