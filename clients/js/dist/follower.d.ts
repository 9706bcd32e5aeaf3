import type { Fan } from "./fan.js";
import type { Line, Problem } from "./protocol.js";
/** What a Follower needs of the tab that has the connection. */
export interface Leader {
    fan: Fan;
    answer(lines: Line[]): void;
    /** ask gives a command to the session, and returns its number there. */
    ask(verb: string, body: Line, reply: (outcome: {
        ok?: Line;
        error?: Problem;
    }) => void): number;
    forget(ref: number): void;
    /** What a follower is told when it connects. */
    welcome(): Line;
}
/**
 * A Follower is another tab, as the one that has the connection sees it: a client of godwit.v1 whose commands are done in the one
 * session. What is pushed goes to all tabs at once and not through here.
 */
export declare class Follower {
    private _leader;
    private _feeds;
    private _refs;
    constructor(_leader: Leader);
    /** take does the commands of the tab. */
    take(lines: string[]): void;
    /** end takes back what the tab has wanted. */
    end(): void;
    private _do;
    private _unsubscribe;
    private _subscribe;
}
