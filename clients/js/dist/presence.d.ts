import type { AskOptions } from "./channel.js";
import { Emitter } from "./emitter.js";
import { GodwitError } from "./protocol.js";
/** Somebody who is subscribed to a channel. */
export interface Member {
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
export interface RosterEvents {
    /** Somebody came or went, or the roster was read anew. */
    change: Roster;
    join: Member;
    leave: Member;
    error: GodwitError;
}
/**
 * The members of a channel. It is live as long as somebody listens to it, which subscribes to the channel: a member of it, too.
 */
export declare class Roster extends Emitter<RosterEvents> {
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
