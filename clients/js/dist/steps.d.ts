import type { DeltaReader } from "./delta.js";
import type { Line, Problem } from "./protocol.js";
/** What a Session is doing. */
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";
/** Why a token is wanted: there is none yet, the one there was ends, or the server has refused it. */
export type TokenReason = "first" | "expired" | "refused";
/** The fields of `subscribe` that stay the same when a subscription goes on. */
export interface Fields {
    presence?: boolean;
    rate?: number;
}
/** What a Session is told. */
export type Input = {
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
export interface Lost {
    code?: number;
    status?: number;
    reconnect?: boolean;
    retryAfter?: number;
    problem?: Problem;
}
/** What a Session wants done. */
export type Effect = {
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
export interface Settings {
    client: string;
    hasTokens: boolean;
    token?: string;
    deltas?: () => DeltaReader;
    random: () => number;
}
/** A subscription that a Session has, or wants. */
export interface Sub {
    name: string;
    since?: string;
    last?: number;
    fields: Fields;
    began: boolean;
    read?: false | DeltaReader;
}
/** What was said at the beginning of a connection that is not answered yet. */
export interface Hello {
    transport: string;
    subs: Map<number, Sub>;
}
