import { Channel as CoreChannel, type ChannelOptions } from "./channel.js";
import { Godwit as Core, type GodwitOptions } from "./client.js";
import { Roster } from "./presence.js";
export { GodwitError, version } from "./core.js";
export type * from "./core.js";
export { Roster } from "./presence.js";
export type { Member, RosterEvents } from "./presence.js";
/**
 * A channel, or a pattern of channels. Listening subscribes, and when nobody has listened for some seconds, it is unsubscribed.
 * Every Channel has its own beginning and position, however many there are of the same name.
 */
export declare class Channel<T = unknown> extends CoreChannel<T> {
    private _roster;
    /** Who is there, live as long as somebody listens to it. A pattern has no members. */
    get presence(): Roster;
}
/**
 * A connection to a Godwit server. It connects when something is used for the first time, comes back by itself, and closes when
 * nothing was used for some seconds. The tabs of a browser share one. Map says what the channels have, by name or pattern.
 */
export declare class Godwit<Map extends object = Record<string, unknown>> extends Core<Map> {
    /** url is that of the server, http: or https:, and may have a path. Default is where the page is from. */
    constructor(url?: string | URL, options?: GodwitOptions);
    /** channel is a channel, or with a pattern several. */
    channel<Name extends keyof Map & string>(name: Name, options?: ChannelOptions): Channel<Map[Name]>;
    channel<T = unknown>(name: string, options?: ChannelOptions): Channel<T>;
}
