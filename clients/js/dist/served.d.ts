// Code generated from clients/js/src by `go generate ./clients/js`. DO NOT EDIT.
// Godwit's client for JavaScript. Apache-2.0, https://github.com/godwit-io/godwit

/** How to listen: as with addEventListener. */
interface ListenOptions {
    /** Listening ends when it aborts. */
    signal?: AbortSignal;
    /** Listening ends with the first event. */
    once?: boolean;
}
/**
 * Emitter has the events of an EventTarget without Event objects: a listener is given the thing itself. The same function listens
 * once to a type; what one throws is reported and does not keep others from hearing.
 */
declare class Emitter<Events extends object> {
    private _listeners;
    /** on calls listener at each event of that type, and returns how to stop. */
    on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void, options?: ListenOptions): () => void;
    /** off ends what on began. */
    off<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): void;
}
/** A problem as the server tells it (docs/problems.md). */
interface Problem {
    type: string;
    title: string;
    detail?: string;
    retry_after_ms?: number;
    data?: unknown;
}
/**
 * An error of a command, of a subscription or of the connection. `type` is what programs look at: the server's own, as in
 * docs/problems.md, or one of the client, which begins with `urn:godwit:client:`.
 */
declare class GodwitError extends Error {
    /** The URI of the problem. */
    readonly type: string;
    /** The name of the problem: what its type ends with, such as `forbidden`. */
    readonly problem: string;
    /** What the application that answered a call has added. */
    readonly data: unknown;
    /** After how many milliseconds it may be tried again, if the server says so. */
    readonly retryAfter: number | undefined;
    /** The code with which the connection ended (docs/codes.md), or the status of a refused request. */
    readonly code: number | undefined;
    constructor(problem: Problem, code?: number);
}
/** A problem that the client itself has. */
declare function trouble(name: string, title: string): Problem;
/** notKnown is how errors end after which something was done, or was not. */
declare const notKnown = ", and whether this was done is not known";
/** wasClosed is what becomes of everything after close. */
declare const wasClosed: Problem;
/** Everything the server sends: replies and pushes (docs/protocol.md §2, §5). */
type Line = Record<string, any>;
/** isPattern says whether name is a pattern of channels: the name of a channel has no asterisk. */
declare function isPattern(name: string): boolean;
/** matcher makes a test for the channels that a name or pattern stands for. */
declare function matcher(name: string): (channel: string) => boolean;
/**
 * isBehind says whether position a comes after b. Positions are EPOCH:OFFSET; those of different epochs cannot be compared, and a
 * new epoch is news (docs/protocol.md §5.5).
 */
declare function isBehind(a: string, b: string | undefined): boolean;
/**
 * Reads what comes for one subscription: it is given each publication, which may say only what has changed, and returns it
 * whole, or nothing if what has changed does not fit.
 */
type DeltaReader = (line: Line) => Line | undefined;
/** `new Godwit(url, { deltas: fossil })` has publications sent as what has changed in them, where that is shorter (docs/protocol.md §8). */
declare function fossil(): DeltaReader;
/** applyDelta applies a delta of Fossil's format to base. It throws a RangeError if it does not fit, or its checksum is wrong. */
declare function applyDelta(base: Uint8Array, delta: Uint8Array): Uint8Array;
/** What a Session is doing. */
type State = "idle" | "connecting" | "open" | "waiting" | "closed";
/** Why a token is wanted: there is none yet, the one there was ends, or the server has refused it. */
type TokenReason = "first" | "expired" | "refused";
/** The fields of `subscribe` that stay the same when a subscription goes on. */
interface Fields {
    presence?: boolean;
    rate?: number;
}
/** What a Session is told. */
type Input = {
    is: "use";
} | {
    is: "again";
} | {
    is: "leave";
} | {
    is: "follow";
    follow: boolean;
} | {
    is: "token";
    token?: string;
    error?: Problem;
} | {
    is: "ready";
    transport: string;
} | {
    is: "received";
    lines: Line[];
} | ({
    is: "lost";
} & Lost) | {
    is: "subscribe";
    name: string;
    since?: string;
    last?: number;
    fields: Fields;
} | {
    is: "unsubscribe";
    name: string;
} | {
    is: "ask";
    ref: number;
    verb: string;
    body: Line;
} | {
    is: "forget";
    ref: number;
} | {
    is: "wake";
} | {
    is: "sleep";
} | {
    is: "tick";
};
/** How a carrier ended, as far as that is known. */
interface Lost {
    code?: number;
    status?: number;
    reconnect?: boolean;
    retryAfter?: number;
    problem?: Problem;
}
/** What a Session wants done. */
type Effect = {
    do: "token";
    reason: TokenReason;
} | {
    do: "dial";
} | {
    do: "send";
    lines: Line[];
} | {
    do: "drop";
    code: number;
} | {
    do: "reply";
    ref: number;
    ok?: Line;
    error?: Problem;
} | {
    do: "begun";
    name: string;
    ok?: Line;
    error?: Problem;
} | {
    do: "push";
    line: Line;
} | {
    do: "steal";
} | {
    do: "state";
};
/** What a Session needs to know of its surroundings. */
interface Settings {
    client: string;
    hasTokens: boolean;
    token?: string;
    deltas?: () => DeltaReader;
    random: () => number;
}
/** A subscription that a Session has, or wants. */
interface Sub {
    name: string;
    since?: string;
    last?: number;
    fields: Fields;
    began: boolean;
    read?: false | DeltaReader;
}
/** What was said at the beginning of a connection that is not answered yet. */
interface Hello {
    transport: string;
    subs: Map<number, Sub>;
}
/**
 * A session of godwit.v1 (docs/protocol.md) without any input or output: it is told what has happened and what time it is, and
 * returns what is to be done, in order. After each step `deadline` is when it wants the next `tick`.
 */
declare class Session {
    state: State;
    /** When it is tried again, while waiting. */
    retryAt: number;
    /** Why it is waiting or closed. */
    error: {
        problem: Problem;
        code?: number;
    } | undefined;
    /** The carrier: "" while there is none. */
    transport: string;
    user: string | undefined;
    deadline: number;
    /** The session and its secret, to go on with. */
    resume: {
        session: string;
        secret: string;
    } | undefined;
    private _settings;
    private _token;
    private _tokenEndsAt;
    private _waitsForToken;
    private _refusals;
    private _follows;
    private _id;
    private _connects;
    private _outbox;
    private _subs;
    private _subIds;
    private _refusedUntil;
    private _messages;
    private _failures;
    private _afterMs;
    private _pingMs;
    private _heard;
    private _pingedAt;
    private _until;
    private _lastError;
    private _isAsleep;
    private _hasCarrier;
    private _effects;
    constructor(settings: Settings);
    /** The newest position or vector of a subscription. */
    position(name: string): string | undefined;
    /** Whether a subscription has begun on this connection. */
    hasBegun(name: string): boolean;
    private get _isUp();
    step(input: Input, now: number): Effect[];
    private _connect;
    private _dial;
    private _want;
    private _onToken;
    private _hello;
    private _connected;
    private _flush;
    private _follow;
    private _lost;
    private _retry;
    private _wait;
    private _stop;
    private _drop;
    private _fail;
    private _wake;
    private _tick;
    private _silent;
    private _ping;
    private _setDeadline;
    private _line;
    private _send;
    private _subscribe;
    private _subscribeLine;
    private _subscribeRest;
    private _again;
    private _unsubscribe;
    private _begun;
    private _receive;
    private _reached;
    private _reply;
    private _subscribed;
}
/** Somebody who wants a channel or pattern: a Channel of this tab, or another tab. */
interface Feed {
    readonly name: string;
    readonly since?: string;
    readonly last?: number;
    readonly fields: Fields;
    /**
     * begun says where it begins, with `publications` that come before everything that is pushed. It is called again whenever the
     * subscription has begun on another connection.
     */
    begun(ok: Line): void;
    failed(error: Problem): void;
    /** push is absent for another tab: all of them are told at once. */
    push?(line: Line): void;
}
/** What a Fan needs of the connection that it is for. */
interface FanHost {
    _run(input: Input): void;
    _ask(verb: string, body: Line): Promise<Line>;
}
/**
 * A Fan shares the subscriptions of a Session, of which there can be one for each name, among any number of feeds that came at
 * different times and want different beginnings.
 */
declare class Fan {
    private _session;
    private _host;
    private _branches;
    private _patterns;
    constructor(_session: Session, _host: FanHost);
    get size(): number;
    attach(feed: Feed): void;
    detach(feed: Feed): void;
    begun(name: string, ok: Line | undefined, error: Problem | undefined): void;
    /** push hands on what has come, and says whether another tab wants it. */
    push(line: Line): boolean;
    private _hand;
    private _remove;
    private _fill;
}
/** A publication. */
interface Message<T = unknown> {
    /** What was published: text as a string, JSON as its value, bytes as a Uint8Array. */
    data: T;
    channel: string;
    /** Where it is in its channel. */
    position: string;
    time: Date;
    /** The name of the event, the user that published it and the key, where there are any. */
    event?: string;
    user?: string;
    key?: string;
    gap?: undefined;
}
/** Publications that do not come. */
interface Gap {
    /** The channel, or the pattern if it is not known which channels. */
    channel: string;
    /** What is missing comes after from, and ends with to. */
    from: string | null;
    to: string | null;
    /** Only `lost` is a loss; the others were left out on purpose (docs/codes.md). */
    reason: "lost" | "expired" | "conflated" | "dropped" | "rate" | (string & {});
    count?: number;
}
/** What a loop over a channel is given: messages, and gaps where they are. */
type Item<T = unknown> = Message<T> | {
    gap: Gap;
    channel: string;
    data?: undefined;
    position?: undefined;
};
/** How a channel is listened to. */
interface ChannelOptions {
    /** How many of the newest publications come first. Default 0. */
    last?: number;
    /** The position after which everything comes, in place of last; for a pattern a vector. */
    since?: string;
    /** At most so many publications a second; what is left out is a gap of the reason `rate`. */
    rate?: number;
    /** How many items a `for await` loop may be behind before the oldest are dropped, as a gap. Default 1000. */
    buffer?: number;
}
/** How something is asked for. */
interface AskOptions {
    /** After how many milliseconds it is given up. Default 30 s for questions; a publication waits as long as it has to. */
    timeout?: number;
    signal?: AbortSignal;
}
interface PublishOptions extends AskOptions {
    event?: string;
    key?: string;
    /** The same key publishes nothing twice within 5 minutes. Default a random one; false for none. */
    idempotencyKey?: string | false;
}
interface HistoryOptions extends AskOptions {
    /** The newest so many. */
    last?: number;
    /** What came after this position. */
    since?: string;
    /** At most so many, up to 256. */
    limit?: number;
}
/** A page of history. */
interface HistoryPage<T = unknown> {
    messages: Message<T>[];
    /** From where `since` goes on. */
    position: string;
    /** What is missing after `since`. */
    gap?: Gap;
}
interface ChannelEvents<T> {
    message: Message<T>;
    /** Publications are missing. */
    gap: Gap;
    /** The subscription was refused, or has been ended by the server: nothing comes until somebody listens anew. */
    error: GodwitError;
    /** The subscription has begun, or goes on after a reconnect; with its position, or the vector of a pattern. */
    subscribed: string;
}
/** What a Channel needs of its connection. */
interface Link {
    _attach(feed: Feed): void;
    _detach(feed: Feed): void;
    _ask(verb: string, body: Line, options?: AskOptions): Promise<Line>;
    readonly _grace: number;
}
/**
 * A channel, or a pattern of channels. Listening subscribes, and when nobody has listened for some seconds, it is unsubscribed.
 * Every Channel has its own beginning and position, however many there are of the same name.
 */
declare class CoreChannel<T = unknown> extends Emitter<ChannelEvents<T>> implements AsyncIterable<Item<T>> {
    /** The name or the pattern. */
    readonly name: string;
    private _options;
    private _feed;
    private _at;
    private _position;
    private _stop;
    /** How far this Channel has come: a position, or the vector of a pattern. Give it as `since` to go on from here. */
    get position(): string | undefined;
    /**
     * publish resolves with the position when the server has accepted it. While there is no connection it waits. It is done once,
     * also if the connection breaks meanwhile. A string is published as text, bytes as bytes, anything else as JSON.
     */
    publish(data: T, { event, key, idempotencyKey, ...options }?: PublishOptions): Promise<string>;
    /** history reads a page of what was published. Default is the newest 100. */
    history({ last, since, limit, ...options }?: HistoryOptions): Promise<HistoryPage<T>>;
    /** A loop over messages and gaps, which ends with an error if the subscription is refused or ended. */
    [Symbol.asyncIterator](): AsyncIterableIterator<Item<T>>;
    private _reset;
    private _newFeed;
    private _push;
    private _reach;
}
/** message reads an envelope. */
declare function message({ channel, position, time, event, user, key, data, data_base64: text }: Line): Message;
/** payload writes what is published, or given to a call. */
declare function payload(data: unknown): Line;
/** randomId is unlike any other. crypto.randomUUID wants https, and React Native has no crypto of its own. */
declare function randomId(): string;
/** A call of a method. */
interface Call<T = unknown> {
    method: string;
    /** What it was called with: text as a string, JSON as its value, bytes as a Uint8Array. */
    data: T;
    /** The user that calls, if that is known, and the session. */
    user?: string;
    session?: string;
    /** It aborts when nobody waits for the answer any more. */
    signal: AbortSignal;
}
/** What answers calls: what it returns is sent as a publication would be. A GodwitError that it throws is given to the caller as it is. */
type Handler<T = unknown> = (call: Call<T>) => unknown;
interface HandleOptions {
    /** How many calls there may be at a time. Default is the server's. */
    concurrency?: number;
    /** Answering ends when it aborts. */
    signal?: AbortSignal;
}
/** What Answers need of a connection. */
interface Connection {
    readonly state: State;
    readonly session: string | undefined;
    _ask(verb: string, body: Line, options?: AskOptions): Promise<Line>;
    _emit(type: "error", error: GodwitError): boolean;
}
/** Answers are the methods that a session answers (docs/protocol.md §7). They are registered anew with every new session. */
declare class Answers {
    private _connection;
    private _methods;
    private _calls;
    private _callsOf;
    constructor(_connection: Connection);
    get size(): number;
    handle(name: string, answer: Handler, { concurrency, signal }: HandleOptions): Promise<() => void>;
    /** renew registers with a session that knows nothing of this yet. */
    renew(): void;
    /** push takes what has come, if it concerns calls. */
    push({ call, call_over, unregistered }: Line): void;
    private _ask;
    private _answer;
    private _abort;
}
/** The ways to carry a session, in the order in which they are tried. */
type Transport = "websocket" | "stream" | "sse" | "poll";
/** What a carrier needs from its surroundings. */
interface Surroundings {
    url: string;
    fetch?: typeof fetch;
    WebSocket?: typeof WebSocket;
    codec?: Codec;
    session: {
        resume?: {
            session: string;
            secret: string;
        };
    };
}
/** How objects are written in the messages of a WebSocket. Default is JSON. */
interface Codec {
    /** The subprotocol. */
    readonly protocol: string;
    encode(line: Line): string | ArrayBufferView<ArrayBuffer>;
    decode(data: any): Line[];
}
/** What a carrier tells. Nothing is to be made of what comes after `lost`, or after it was closed. */
interface Told {
    ready(): void;
    received(lines: Line[]): void;
    lost(why: Lost): void;
}
/** Something that carries commands one way and what the server says the other. */
interface Carrier {
    send(lines: Line[]): void;
    /** close ends it: with 1000 the session, too. */
    close(code: number): void;
}
/** open begins to carry a session in one way. */
declare function open(transport: Transport, around: Surroundings, told: Told): Carrier;
interface GodwitOptions {
    /**
     * A token, or what gets one. It is asked again when the token ends (`expired`) or is not taken (`refused`). Without, the server
     * decides what somebody unknown may do.
     */
    token?: string | ((reason: TokenReason) => string | Promise<string>);
    /**
     * Whether the tabs of a browser that have the same URL share one connection. Default true, where the page is served over https
     * or from localhost. A string keeps those apart whose strings differ: the id of the user, where a browser may have several.
     */
    tabs?: boolean | string;
    /** The ways to connect, in the order in which they are tried. Default websocket, stream, sse, poll. */
    transports?: Transport[];
    /** How long a subscription, and then the connection, outlives the last who used it, in milliseconds. Default 5000. */
    grace?: number;
    /** How many publications and questions may wait for their reply before more are refused. Default 1000. */
    queue?: number;
    /** Name and version of the program, for the server's logs. */
    client?: string;
    /** `cbor` of "@godwit/client/cbor": what goes over a WebSocket is CBOR, and bytes are sent as they are. Default is JSON. */
    codec?: Codec;
    /** `fossil` of "@godwit/client/delta": publications may come as what has changed. Default is whole ones. */
    deltas?: () => DeltaReader;
    /** In place of the platform's own. */
    fetch?: typeof fetch;
    WebSocket?: typeof WebSocket;
}
interface GodwitEvents {
    /** The state, the transport or the time of the next attempt is another. */
    state: State;
    /** The connection is there. */
    open: Core;
    /** It was there, and is not any more. */
    close: GodwitError | undefined;
    /** Why there is no connection; in the state `closed` nothing more is tried. */
    error: GodwitError;
    /** A message to the user, in the user's own channel. */
    message: Message;
    /** What is published does not come at present, or does again, also because another connection says nothing of it. Not in `core`. */
    behind: Behind;
}
interface Behind {
    /** The channel or the pattern; none: all that this session is subscribed to. */
    channel?: string;
    is: boolean;
    detail?: string;
}
/**
 * A connection to a Godwit server. It connects when something is used for the first time, comes back by itself, and closes when
 * nothing was used for some seconds. Map says what the channels have, by name or pattern.
 */
declare class Core<Map extends object = Record<string, unknown>> extends Emitter<GodwitEvents> {
    /** The address of the server, with a slash at its end. */
    readonly url: string;
    private _waiting;
    private _ref;
    private _inputs;
    private _isStepping;
    private _timer;
    private _idle;
    private _upgrade;
    private _upgradeMs;
    private _unwatch;
    private _known;
    private _told;
    private _toldAll;
    /** url is that of the server, http: or https:, and may have a path. Default is where the page is from. */
    constructor(url?: string | URL, options?: GodwitOptions);
    /** What the connection is doing; in a tab that shares another one's, what that is doing. */
    get state(): State;
    /** When the next attempt is made, in the state `waiting`. */
    get retryAt(): Date | undefined;
    /** Why the connection is not there. */
    get error(): GodwitError | undefined;
    /** What carries the connection, "" while there is none. */
    get transport(): Transport | "";
    /** Whether another tab has the connection. */
    get isShared(): boolean;
    /** Who the server says this is. */
    get user(): string | undefined;
    /** The id of the session, which others see as that of a member. */
    get session(): string | undefined;
    /** channel is a channel, or with a pattern several. */
    channel<Name extends keyof Map & string>(name: Name, options?: ChannelOptions): CoreChannel<Map[Name]>;
    channel<T = unknown>(name: string, options?: ChannelOptions): CoreChannel<T>;
    /** rpc calls a method, and resolves with what answers it. Default timeout 30 s. */
    rpc<T = unknown>(method: string, data?: unknown, { timeout, signal }?: AskOptions): Promise<T>;
    /** reconnect tries at once, also after the server has said that it would do no good. */
    reconnect(): void;
    /** close ends the connection for good: what waits fails. */
    close(): void;
    private _use;
    private _end;
    private _arm;
    private _getToken;
    private _attempts;
    private _kinds;
    private _planUpgrade;
}
/** Somebody who is subscribed to a channel. */
interface Member {
    /** The id of the session; absent by user. */
    id?: string;
    transport?: string;
    /** How many sessions, by user. */
    sessions?: number;
    /** Since when, as ISO 8601. */
    since: string;
    user?: string;
    /** What the token says about the user that others may see. */
    info?: unknown;
}
interface RosterEvents {
    /** Somebody came or went, or the roster was read anew. */
    change: Roster;
    join: Member;
    leave: Member;
    error: GodwitError;
}
/**
 * The members of a channel. It is live as long as somebody listens to it, which subscribes to the channel: a member of it, too.
 */
declare class Roster extends Emitter<RosterEvents> {
    private _link;
    private _name;
    private _members;
    private _version;
    private _count;
    private _feed;
    private _stop;
    private _early;
    private _reading;
    /** Who is there, as far as it is known; those who came first are first. */
    get members(): Member[];
    /** How many are there. */
    get count(): number;
    /** get asks once, and does not subscribe. By user, members are users with the number of their sessions. */
    get({ by, ...options }?: AskOptions & {
        by?: "user";
    }): Promise<Member[]>;
    private _pages;
    private _read;
    private _push;
}
/** The version of this client: that of the package, or of the server that serves it. */
declare const version: string;
/** A digest of publications. */
interface Digest {
    count: number;
    /** The positions of the first and the last of them, if there are any. */
    from?: string;
    position: string;
    sha256: string;
}
/**
 * A channel, or a pattern of channels. Listening subscribes, and when nobody has listened for some seconds, it is unsubscribed.
 * Every Channel has its own beginning and position, however many there are of the same name.
 */
declare class Channel<T = unknown> extends CoreChannel<T> {
    private _roster;
    /** digest is what the server holds of the newest `last` publications, at most 256: who has the same computes the same (docs/protocol.md §9). */
    digest({ last, ...options }?: AskOptions & {
        last?: number;
    }): Promise<Digest>;
    /** Who is there, live as long as somebody listens to it. A pattern has no members. */
    get presence(): Roster;
}
/**
 * A connection to a Godwit server. It connects when something is used for the first time, comes back by itself, and closes when
 * nothing was used for some seconds. The tabs of a browser share one. Map says what the channels have, by name or pattern.
 */
declare class Godwit<Map extends object = Record<string, unknown>> extends Core<Map> {
    private _sharing;
    private _answers;
    private _own;
    private _behind;
    /** channel is a channel, or with a pattern several. */
    channel<Name extends keyof Map & string>(name: Name, options?: ChannelOptions): Channel<Map[Name]>;
    channel<T = unknown>(name: string, options?: ChannelOptions): Channel<T>;
    /**
     * handle answers the calls of a method, or of all that a pattern stands for, until the function that it resolves with is
     * called. It resolves when the server has agreed. It needs the grant `answer`. What shares a connection with other tabs
     * gets one more for this, as each tab answers for itself.
     */
    handle<T = unknown>(method: string, handler: Handler<T>, options?: HandleOptions): Promise<() => void>;
    /** close ends the connection for good: what waits fails. */
    close(): void;
}
export { AskOptions, Behind, Call, Channel, ChannelEvents, ChannelOptions, Codec, DeltaReader, Digest, Gap, Godwit, GodwitError, GodwitEvents, GodwitOptions, HandleOptions, Handler, HistoryOptions, HistoryPage, Item, ListenOptions, Member, Message, Problem, PublishOptions, Roster, RosterEvents, State, TokenReason, Transport, version };
