package transport

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
)

// refusalOf returns the refusal that tells a client of an error of the Guard.
func (t *Transport) refusalOf(err error) *access.Refusal {
	var r *access.Refusal
	if errors.As(err, &r) {
		return r
	}
	t.o.Logger.Error("guard failed", "error", err)
	return &access.Refusal{Cause: access.Unavailable, Reason: "it cannot be decided now whether this is allowed", RetryAfter: time.Second}
}

// challenge is the WWW-Authenticate field of a request whose client is not known (RFC
// 6750 §3). Basic is not offered: browsers would ask their user for a password.
const challenge = `Bearer realm="godwit"`

// refuseAccess is the answer to a request of a client that is refused.
func refuseAccess(r *access.Refusal) *refusal {
	f := &refusal{detail: r.Reason}
	switch r.Cause {
	case access.Denied:
		f.problem = ProblemForbidden
	case access.TooMany:
		f.problem = ProblemTooManyRequests
		f.retryAfterSeconds = seconds(r.RetryAfter)
	case access.Unavailable:
		f.problem = ProblemUndecided
		f.retryAfterSeconds = seconds(r.RetryAfter)
	case access.Expired:
		f.problem = ProblemUnauthorized
		f.field = [2]string{"WWW-Authenticate", challenge + `, error="invalid_token"`}
	default:
		f.problem = ProblemUnauthorized
		f.field = [2]string{"WWW-Authenticate", challenge}
	}
	return f
}

// WriteRefusal answers a request of net/http with the problem that r is, with
// WWW-Authenticate or Retry-After where they belong.
func WriteRefusal(w http.ResponseWriter, r *access.Refusal) {
	f := refuseAccess(r)
	if f.field[0] != "" {
		w.Header().Set(f.field[0], f.field[1])
	}
	if f.retryAfterSeconds != "" {
		w.Header().Set("Retry-After", f.retryAfterSeconds)
	}
	f.problem.Write(w, f.detail)
}

// RefusalProblem is the problem that answers a refusal.
func RefusalProblem(r *access.Refusal) *Problem { return refuseAccess(r).problem }

// seconds is a time for Retry-After, at least one second.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
