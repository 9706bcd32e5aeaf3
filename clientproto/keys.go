package clientproto

// Key is a member's name as a number: what the maps of godwit.v1.cbor have in the place
// of the names of JSON (docs/protocol.md §10). A number is never given to another name.
type Key uint8

// The keys. Those below 24 take one byte.
const (
	KeyChannel Key = iota
	KeyPosition
	KeyTime
	KeyData
	KeyEvent
	KeyUser
	KeyKey
	KeyKind
	KeyDelta
	KeyID
	KeyOK
	KeyError
	KeyGap
	KeyFrom
	KeyTo
	KeyReason
	KeyCount
	KeyMessage
	KeyPublish
	KeySubscribe
	KeySince
	KeyJoin
	KeyLeave
	KeyMembers
	KeyConnect
	KeyUnsubscribe
	KeyHistory
	KeyPresence
	KeyDigest
	KeyRPC
	KeyCancel
	KeyRegister
	KeyUnregister
	KeyAnswer
	KeyRefresh
	KeyPing
	KeyEnd
	KeyToken
	KeyClient
	KeyResume
	KeySession
	KeySecret
	KeyMessages
	KeyLast
	KeyRate
	KeySelf
	KeyIdempotencyKey
	KeyLimit
	KeyCursor
	KeyBy
	KeyMethod
	KeyTimeoutMs
	KeyConcurrency
	KeyCall
	KeyType
	KeyTitle
	KeyDetail
	KeyRetryAfterMs
	KeyResumed
	KeyReconnect
	KeyAfterMs
	KeyPingMs
	KeyExpiresAfterMs
	KeyDuplicate
	KeyPublications
	KeyUsers
	KeyVersion
	KeyPrevious
	KeyTransport
	KeySessions
	KeyInfo
	KeyCanceled
	KeySHA256
	KeyCallOver
	KeyTrace
	KeyExpiring
	KeyCode
	KeySubscribed
	KeyUnsubscribed
	KeyUnregistered
	KeyVector
	KeyArgs
	KeyAttachments
	KeyFramed
	KeyExclude
	KeyBehind
	KeyIs
)

// keyNames are the names, by number. New ones are added at the end.
var keyNames = [...]string{
	KeyChannel:        "channel",
	KeyPosition:       "position",
	KeyTime:           "time",
	KeyData:           "data",
	KeyEvent:          "event",
	KeyUser:           "user",
	KeyKey:            "key",
	KeyKind:           "kind",
	KeyDelta:          "delta",
	KeyID:             "id",
	KeyOK:             "ok",
	KeyError:          "error",
	KeyGap:            "gap",
	KeyFrom:           "from",
	KeyTo:             "to",
	KeyReason:         "reason",
	KeyCount:          "count",
	KeyMessage:        "message",
	KeyPublish:        "publish",
	KeySubscribe:      "subscribe",
	KeySince:          "since",
	KeyJoin:           "join",
	KeyLeave:          "leave",
	KeyMembers:        "members",
	KeyConnect:        "connect",
	KeyUnsubscribe:    "unsubscribe",
	KeyHistory:        "history",
	KeyPresence:       "presence",
	KeyDigest:         "digest",
	KeyRPC:            "rpc",
	KeyCancel:         "cancel",
	KeyRegister:       "register",
	KeyUnregister:     "unregister",
	KeyAnswer:         "answer",
	KeyRefresh:        "refresh",
	KeyPing:           "ping",
	KeyEnd:            "end",
	KeyToken:          "token",
	KeyClient:         "client",
	KeyResume:         "resume",
	KeySession:        "session",
	KeySecret:         "secret",
	KeyMessages:       "messages",
	KeyLast:           "last",
	KeyRate:           "rate",
	KeySelf:           "self",
	KeyIdempotencyKey: "idempotency_key",
	KeyLimit:          "limit",
	KeyCursor:         "cursor",
	KeyBy:             "by",
	KeyMethod:         "method",
	KeyTimeoutMs:      "timeout_ms",
	KeyConcurrency:    "concurrency",
	KeyCall:           "call",
	KeyType:           "type",
	KeyTitle:          "title",
	KeyDetail:         "detail",
	KeyRetryAfterMs:   "retry_after_ms",
	KeyResumed:        "resumed",
	KeyReconnect:      "reconnect",
	KeyAfterMs:        "after_ms",
	KeyPingMs:         "ping_ms",
	KeyExpiresAfterMs: "expires_after_ms",
	KeyDuplicate:      "duplicate",
	KeyPublications:   "publications",
	KeyUsers:          "users",
	KeyVersion:        "version",
	KeyPrevious:       "previous",
	KeyTransport:      "transport",
	KeySessions:       "sessions",
	KeyInfo:           "info",
	KeyCanceled:       "canceled",
	KeySHA256:         "sha256",
	KeyCallOver:       "call_over",
	KeyTrace:          "trace",
	KeyExpiring:       "expiring",
	KeyCode:           "code",
	KeySubscribed:     "subscribed",
	KeyUnsubscribed:   "unsubscribed",
	KeyUnregistered:   "unregistered",
	KeyVector:         "vector",
	KeyArgs:           "args",
	KeyAttachments:    "attachments",
	KeyFramed:         "framed",
	KeyExclude:        "exclude",
	KeyBehind:         "behind",
	KeyIs:             "is",
}

// Keys returns the names of the keys, by their number. The caller owns the slice.
func Keys() []string { return append([]string(nil), keyNames[:]...) }

// String is the name of the key in JSON, "" for a number that is none.
func (k Key) String() string {
	if int(k) < len(keyNames) {
		return keyNames[k]
	}
	return ""
}

// Member is the beginning of the member in JSON, such as "id":, with its quotation
// marks and the colon.
func (k Key) Member() string { return memberNames[k] }

var memberNames = func() (m [len(keyNames)]string) {
	for k, name := range keyNames {
		m[k] = `"` + name + `":`
	}
	return m
}()

// TagJSON is the tag of CBOR for a byte string that is the text of a JSON value (262 in
// the registry of IANA): a publication of JSON keeps its bytes.
const TagJSON = 262
