import { type HandleOptions, type Handler } from "./answers.js";
import { Channel as CoreChannel, type AskOptions, type ChannelOptions } from "./channel.js";
import { Godwit as Core } from "./client.js";
import { Roster } from "./presence.js";
export { GodwitError, version } from "./core.js";
export type * from "./core.js";
export type { HandleOptions, Handler, Call } from "./answers.js";
export { Roster } from "./presence.js";
export type { Member, RosterEvents } from "./presence.js";
/** A digest of publications. */
export interface Digest {
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
export declare class Channel<T = unknown> extends CoreChannel<T> {
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
export declare class Godwit<Map extends object = Record<string, unknown>> extends Core<Map> {
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
