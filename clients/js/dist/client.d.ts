import type { Codec, Transport } from "./carriers.js";
import { Channel, type AskOptions, type ChannelOptions, type Message } from "./channel.js";
import type { DeltaReader } from "./delta.js";
import { Emitter } from "./emitter.js";
import { GodwitError } from "./protocol.js";
import type { State, TokenReason } from "./steps.js";
export interface GodwitOptions {
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
export interface GodwitEvents {
    /** The state, the transport or the time of the next attempt is another. */
    state: State;
    /** The connection is there. */
    open: Godwit;
    /** It was there, and is not any more. */
    close: GodwitError | undefined;
    /** Why there is no connection; in the state `closed` nothing more is tried. */
    error: GodwitError;
    /** A message to the user, in the user's own channel. */
    message: Message;
    /** What is published does not come at present, or does again, also because another connection says nothing of it. Not in `core`. */
    behind: Behind;
}
export interface Behind {
    /** The channel or the pattern; none: all that this session is subscribed to. */
    channel?: string;
    is: boolean;
    detail?: string;
}
/**
 * A connection to a Godwit server. It connects when something is used for the first time, comes back by itself, and closes when
 * nothing was used for some seconds. Map says what the channels have, by name or pattern.
 */
export declare class Godwit<Map extends object = Record<string, unknown>> extends Emitter<GodwitEvents> {
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
    channel<Name extends keyof Map & string>(name: Name, options?: ChannelOptions): Channel<Map[Name]>;
    channel<T = unknown>(name: string, options?: ChannelOptions): Channel<T>;
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
