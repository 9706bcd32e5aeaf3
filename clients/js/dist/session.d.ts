import { type Problem } from "./protocol.js";
import type { Effect, Input, Settings, State } from "./steps.js";
/**
 * A session of godwit.v1 (docs/protocol.md) without any input or output: it is told what has happened and what time it is, and
 * returns what is to be done, in order. After each step `deadline` is when it wants the next `tick`.
 */
export declare class Session {
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
