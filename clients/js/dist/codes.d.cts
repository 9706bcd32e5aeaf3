/** The codes with which a WebSocket closes, or which the `end` of a stream has. Numbers are never reused. */
export declare const CloseCode: {
    /** It was closed because it has done what it was for. */
    readonly Normal: 1000;
    /** The server is shutting down or hands over to another. */
    readonly GoingAway: 1001;
    /** The client violated RFC 6455. */
    readonly ProtocolError: 1002;
    /** The client sent a type of message, text or binary, that is not the one of its subprotocol. */
    readonly UnsupportedData: 1003;
    /** The connection was closed without a code. It is reported to the client by its own library and never sent. */
    readonly NoStatus: 1005;
    /** The connection broke without a close frame. It is reported to the client by its own library and never sent. */
    readonly Abnormal: 1006;
    /** The client sent text that is not UTF-8, or that is not JSON where JSON is expected. */
    readonly InvalidData: 1007;
    /** Something between client and server does not allow the connection. */
    readonly PolicyViolation: 1008;
    /** The client sent a message that is longer than the server accepts. */
    readonly TooBig: 1009;
    /** The server or its broker failed, or a ping was not answered in time. */
    readonly InternalError: 1011;
    /** Something between client and server restarts. */
    readonly ServiceRestart: 1012;
    /** The server cannot serve or decide now. */
    readonly TryAgainLater: 1013;
    /** Something between client and server got no valid answer from the server. */
    readonly BadGateway: 1014;
    /** The client sent something to which no reply is possible, because it is no command with an id. */
    readonly BadFrame: 4400;
    /** There is no token, or it is not valid, has expired or was revoked. */
    readonly Unauthorized: 4401;
    /** A grant is missing, or the session was ended by the application. */
    readonly Forbidden: 4403;
    /** There is no such session here, or not any more. */
    readonly SessionUnknown: 4404;
    /** The client did not send the command `connect` in time. */
    readonly ConnectTimeout: 4408;
    /** Another connection carries the session now. */
    readonly TakenOver: 4409;
    /** History does not hold any more what came after the position of the client. */
    readonly PositionLost: 4410;
    /** The client asks too often, or for too much at once. */
    readonly TooMany: 4429;
    /** The client takes messages more slowly than they come, and the channel's policy does not wait for it. */
    readonly TooSlow: 4507;
};
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];
/** What a client does after an end. */
export declare const Reconnect: {
    /** Come back as before, after the delay that the server gave you, or else after a random time that grows with every failure. */
    readonly Delayed: "delayed";
    /** Get another token and come back with it. With the same one it would end in the same way. */
    readonly NewToken: "new-token";
    /** Come back, but not as before: after 4404 send `connect` again, and subscribe with the positions that you have as `since`, as `resume` may begin a new session; after 4410 come back without the position, and read what you show again. */
    readonly Afresh: "afresh";
    /** Do not come back by yourself: it would end in the same way, or it is over. */
    readonly Never: "never";
};
export type Reconnect = (typeof Reconnect)[keyof typeof Reconnect];
/** What a client does after each code; after one that is not here it does the same as after CloseCode.Abnormal. */
export declare const reconnectAfter: Readonly<Record<CloseCode, Reconnect>>;
/** The same the other way round, and shorter: the codes of each but Reconnect.Delayed. */
export declare const codesAfter: Readonly<Record<Exclude<Reconnect, "delayed">, readonly number[]>>;
/** Why publications were not delivered. Only Lost is a loss: the others were left out on purpose. */
export declare const GapReason: {
    /** The history does not hold them any more. */
    readonly Lost: "lost";
    /** Their time to live was over when it was their turn. */
    readonly Expired: "expired";
    /** Newer ones of the same key took their place while the client was slow. */
    readonly Conflated: "conflated";
    /** The client was slow, and the channel's policy drops the oldest that wait. */
    readonly Dropped: "dropped";
    /** There were more than the rate that the channel or the subscription has; the newest is delivered. */
    readonly Rate: "rate";
};
export type GapReason = (typeof GapReason)[keyof typeof GapReason];
/** What the type of every problem begins with. */
export declare const problemBase = "https://godwit.io/problems/";
/** The types of problems, after problemBase. Names are never reused. */
export declare const ProblemType: {
    /** Bad request (400). Send well-formed HTTP; the detail says what is wrong. The status may be another one from 400 to 505. */
    readonly BadRequest: "bad-request";
    /** Bad channel name (400). Use one or more segments joined by single slashes, at most 255 bytes of UTF-8, without control characters, `*`, `.` or `..` segments, or encoded slashes. */
    readonly BadChannelName: "bad-channel-name";
    /** Bad position (400). Give `since` a position exactly as the server gave it: `EPOCH:OFFSET`. */
    readonly BadPosition: "bad-position";
    /** Bad query parameter (400). Give each parameter once; `last` and `limit` are whole numbers, `self`, `envelope` and `json` are 0 or 1, `since` and `last` exclude each other, and a `cursor` is given back as it was. */
    readonly BadParameter: "bad-parameter";
    /** A read has no body (400). Use POST to publish a body, and send GET without one. */
    readonly UnexpectedBody: "unexpected-body";
    /** Text is not valid UTF-8 (400). Publish text as UTF-8, or any bytes as `application/octet-stream`. */
    readonly NotUtf8: "not-utf8";
    /** Body is not JSON (400). Publish exactly one JSON value in UTF-8, or choose another Content-Type. */
    readonly NotJson: "not-json";
    /** Bad idempotency key (400). Send one Idempotency-Key of 1 to 255 printable ASCII characters, for example a UUID. */
    readonly BadIdempotencyKey: "bad-idempotency-key";
    /** Body is incomplete (400). Send as many bytes as Content-Length announces, or well-formed chunks. */
    readonly BrokenBody: "broken-body";
    /** Bad WebSocket handshake (400). Send the opening handshake of RFC 6455 §4.1; WebSocket clients do. */
    readonly BadUpgrade: "bad-upgrade";
    /** Bad attribute of a publication (400). Give an event, a key or an exclusion of at most 255 bytes of UTF-8 without control characters; `position`, `gap`, `end`, `error`, `binary` and `behind` are events of the server. */
    readonly BadAttribute: "bad-attribute";
    /** Bad field of the body (400). Send the fields that the description of the request lists, each once and of its type; the detail names the field and its place. */
    readonly BadField: "bad-field";
    /** Bad command (400). Send objects of JSON with an `id` and one command of docs/protocol.md, with the fields that it lists; the detail says what is wrong, and where. */
    readonly BadCommand: "bad-command";
    /** Bad pattern (400). Let `*` stand for one whole segment, and `**` for one or more at the end; the rest is as in the name of a channel. */
    readonly BadPattern: "bad-pattern";
    /** Bad name of a method (400). Name a method as a channel is named, and a pattern of methods as a pattern of channels. */
    readonly BadMethod: "bad-method";
    /** Not authenticated (401). Send a valid token as `Authorization: Bearer …`, or as `?token=…` where a field cannot be set. */
    readonly Unauthorized: "unauthorized";
    /** Not allowed (403). Use a token or a key with the grant that the detail names. */
    readonly Forbidden: "forbidden";
    /** Presence is off (403). Nothing: the policy of this channel keeps to itself who is subscribed. */
    readonly PresenceOff: "presence-off";
    /** Origin not allowed (403). Serve the page from this server's own origin, or add its origin to the server's list. */
    readonly OriginNotAllowed: "origin-not-allowed";
    /** Not found (404). Channels are below `/channels/`, presence is below `/presence/`, the server API is below `/api/v1/`; a session may have ended. */
    readonly NotFound: "not-found";
    /** No such session (404). Connect again, and give the positions that you have as `since`: the session has ended, was on a server that is gone, or has to be resumed. */
    readonly SessionUnknown: "session-unknown";
    /** Nothing answers this method (404). Call a method that the application, or a session that is connected now, answers. */
    readonly UnknownMethod: "unknown-method";
    /** No such call (404). Nothing: the call that was answered has an answer, was canceled, or has timed out. */
    readonly UnknownCall: "unknown-call";
    /** Method not allowed (405). Use one of the methods in the Allow field. */
    readonly MethodNotAllowed: "method-not-allowed";
    /** No acceptable representation (406). Accept one of the media types in `offered`. */
    readonly NotAcceptable: "not-acceptable";
    /** Body took too long (408). Send the body without pauses. */
    readonly BodyTimeout: "body-timeout";
    /** Not connected (409). Send `connect` before any other command. */
    readonly NotConnected: "not-connected";
    /** Already connected (409). Send `connect` once; `refresh` is for another token. */
    readonly AlreadyConnected: "already-connected";
    /** Already subscribed (409). Unsubscribe first, if you want to subscribe in another way. */
    readonly AlreadySubscribed: "already-subscribed";
    /** Unsubscribed in the meantime (409). Nothing: `unsubscribe` came before the subscription had begun, or the server has ended it. */
    readonly Unsubscribed: "unsubscribed";
    /** Not subscribed (409). Subscribe first, to exactly this channel or pattern. */
    readonly NotSubscribed: "not-subscribed";
    /** Session of one channel (409). Only sessions of godwit.v1 (`transport` is `session`) can be subscribed to other channels. End this one, or have its client connect to `/connect`. */
    readonly SessionOfOneChannel: "session-of-one-channel";
    /** Already registered (409). Nothing: the session answers this method or pattern already. */
    readonly AlreadyRegistered: "already-registered";
    /** Not registered (409). Register first, for exactly this method or pattern. */
    readonly NotRegistered: "not-registered";
    /** Call canceled (409). Nothing: the call was canceled before it was answered. It is not known whether it had an effect. */
    readonly CallCanceled: "call-canceled";
    /** Body too large (413). Publish less at once, or publish a reference to where the data is. */
    readonly BodyTooLarge: "body-too-large";
    /** Unsupported content type (415). Use UTF-8 for text and JSON, and `application/octet-stream` for anything else. */
    readonly UnsupportedContentType: "unsupported-content-type";
    /** Unsupported content encoding (415). Send the body as it is, without Content-Encoding. */
    readonly UnsupportedContentEncoding: "unsupported-content-encoding";
    /** Unknown host (421). Use a name of this machine (`localhost`, `127.0.0.1`, `[::1]`), or list the name in the server's origins. */
    readonly UnknownHost: "unknown-host";
    /** WebSocket upgrade required (426). Send `Upgrade: websocket`, `Connection: Upgrade` and the version in the Sec-WebSocket-Version field of the answer. */
    readonly UpgradeRequired: "upgrade-required";
    /** Too many requests (429). Try again after the seconds in Retry-After, and then less often. */
    readonly TooManyRequests: "too-many-requests";
    /** Too many subscriptions (429). Unsubscribe from what you do not need, subscribe to a pattern, or raise the server's `limits.subscriptions`. */
    readonly TooManySubscriptions: "too-many-subscriptions";
    /** Too many commands without a reply (429). Wait for replies before you send more commands. */
    readonly TooManyCommands: "too-many-commands";
    /** Too many registrations (429). Register for a pattern of methods instead of each of them. */
    readonly TooManyRegistrations: "too-many-registrations";
    /** Too many calls without an answer (429). Try again in a moment: the call was given to nobody. Wait for answers before you make more calls. */
    readonly TooManyCalls: "too-many-calls";
    /** Internal error (500). Nothing you did: report it with the ID in the detail, under which the server's log says more. */
    readonly InternalError: "internal-error";
    /** Not supported here (501). Nothing about the request is wrong: the server, or the broker that it is configured with, cannot do that. */
    readonly NotSupported: "not-supported";
    /** Call failed (502). Nothing about the call is known to be wrong: the answerer failed, and the server's log says more. An error that it tells you has a type of its own. */
    readonly CallFailed: "call-failed";
    /** Answerer is gone (502). Call again if the method can be repeated: it is not known whether this call had an effect. */
    readonly AnswererGone: "answerer-gone";
    /** Server is shutting down (503). Try again after the seconds in Retry-After. */
    readonly ShuttingDown: "shutting-down";
    /** Server is overloaded (503). Try again after the seconds in Retry-After. */
    readonly Overloaded: "overloaded";
    /** Broker unavailable (503). Try again after the seconds in Retry-After; use an Idempotency-Key so that a publication is not repeated. */
    readonly BrokerUnavailable: "broker-unavailable";
    /** It cannot be decided now whether this is allowed (503). Try again after the seconds in Retry-After. */
    readonly Undecided: "undecided";
    /** Too many channels (503). Use fewer channels, or raise the server's `limits.channels`. */
    readonly TooManyChannels: "too-many-channels";
    /** Too many connections (503). Try again after the seconds in Retry-After, or raise the server's `limits.connections`. */
    readonly TooManyConnections: "too-many-connections";
    /** Call timed out (504). Call again if the method can be repeated: it is not known whether this call had an effect. */
    readonly CallTimeout: "call-timeout";
};
export type ProblemType = (typeof ProblemType)[keyof typeof ProblemType];
/** The names of members by their number in godwit.v1.cbor. Numbers are never reused. */
export declare const keys: readonly ["channel", "position", "time", "data", "event", "user", "key", "kind", "delta", "id", "ok", "error", "gap", "from", "to", "reason", "count", "message", "publish", "subscribe", "since", "join", "leave", "members", "connect", "unsubscribe", "history", "presence", "digest", "rpc", "cancel", "register", "unregister", "answer", "refresh", "ping", "end", "token", "client", "resume", "session", "secret", "messages", "last", "rate", "self", "idempotency_key", "limit", "cursor", "by", "method", "timeout_ms", "concurrency", "call", "type", "title", "detail", "retry_after_ms", "resumed", "reconnect", "after_ms", "ping_ms", "expires_after_ms", "duplicate", "publications", "users", "version", "previous", "transport", "sessions", "info", "canceled", "sha256", "call_over", "trace", "expiring", "code", "subscribed", "unsubscribed", "unregistered", "vector", "args", "attachments", "framed", "exclude", "behind", "is"];
/** The tag of CBOR for a byte string that is the text of a JSON value. */
export declare const tagJSON = 262;
