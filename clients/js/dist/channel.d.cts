import { Emitter } from "./emitter.cjs";
import type { Feed } from "./fan.cjs";
import { GodwitError, type Line } from "./protocol.cjs";
/** A publication. */
export interface Message<T = unknown> {
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
export interface Gap {
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
export type Item<T = unknown> = Message<T> | {
    gap: Gap;
    channel: string;
    data?: undefined;
    position?: undefined;
};
/** How a channel is listened to. */
export interface ChannelOptions {
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
export interface AskOptions {
    /** After how many milliseconds it is given up. Default 30 s for questions; a publication waits as long as it has to. */
    timeout?: number;
    signal?: AbortSignal;
}
export interface PublishOptions extends AskOptions {
    event?: string;
    key?: string;
    /** The same key publishes nothing twice within 5 minutes. Default a random one; false for none. */
    idempotencyKey?: string | false;
}
export interface HistoryOptions extends AskOptions {
    /** The newest so many. */
    last?: number;
    /** What came after this position. */
    since?: string;
    /** At most so many, up to 256. */
    limit?: number;
}
/** A page of history. */
export interface HistoryPage<T = unknown> {
    messages: Message<T>[];
    /** From where `since` goes on. */
    position: string;
    /** What is missing after `since`. */
    gap?: Gap;
}
export interface ChannelEvents<T> {
    message: Message<T>;
    /** Publications are missing. */
    gap: Gap;
    /** The subscription was refused, or has been ended by the server: nothing comes until somebody listens anew. */
    error: GodwitError;
    /** The subscription has begun, or goes on after a reconnect; with its position, or the vector of a pattern. */
    subscribed: string;
}
/** What a Channel needs of its connection. */
export interface Link {
    _attach(feed: Feed): void;
    _detach(feed: Feed): void;
    _ask(verb: string, body: Line, options?: AskOptions): Promise<Line>;
    readonly _grace: number;
}
/**
 * A channel, or a pattern of channels. Listening subscribes, and when nobody has listened for some seconds, it is unsubscribed.
 * Every Channel has its own beginning and position, however many there are of the same name.
 */
export declare class Channel<T = unknown> extends Emitter<ChannelEvents<T>> implements AsyncIterable<Item<T>> {
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
export declare function message({ channel, position, time, event, user, key, data, data_base64: text }: Line): Message;
/** payload writes what is published, or given to a call. */
export declare function payload(data: unknown): Line;
/** randomId is unlike any other. crypto.randomUUID wants https, and React Native has no crypto of its own. */
export declare function randomId(): string;
