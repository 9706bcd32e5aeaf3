import { type Line, type Problem } from "./protocol.cjs";
import type { Session } from "./session.cjs";
import type { Fields, Input } from "./steps.cjs";
/** Somebody who wants a channel or pattern: a Channel of this tab, or another tab. */
export interface Feed {
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
export interface FanHost {
    _run(input: Input): void;
    _ask(verb: string, body: Line): Promise<Line>;
}
/**
 * A Fan shares the subscriptions of a Session, of which there can be one for each name, among any number of feeds that came at
 * different times and want different beginnings.
 */
export declare class Fan {
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
