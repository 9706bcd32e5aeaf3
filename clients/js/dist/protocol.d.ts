/** A problem as the server tells it (docs/problems.md). */
export interface Problem {
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
export declare class GodwitError extends Error {
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
export declare function trouble(name: string, title: string): Problem;
/** notKnown is how errors end after which something was done, or was not. */
export declare const notKnown = ", and whether this was done is not known";
/** wasClosed is what becomes of everything after close. */
export declare const wasClosed: Problem;
/** Everything the server sends: replies and pushes (docs/protocol.md §2, §5). */
export type Line = Record<string, any>;
/** isPattern says whether name is a pattern of channels: the name of a channel has no asterisk. */
export declare function isPattern(name: string): boolean;
/** matcher makes a test for the channels that a name or pattern stands for. */
export declare function matcher(name: string): (channel: string) => boolean;
/**
 * isBehind says whether position a comes after b. Positions are EPOCH:OFFSET; those of different epochs cannot be compared, and a
 * new epoch is news (docs/protocol.md §5.5).
 */
export declare function isBehind(a: string, b: string | undefined): boolean;
