import { type AskOptions } from "./channel.cjs";
import { GodwitError, type Line } from "./protocol.cjs";
import type { State } from "./steps.cjs";
/** A call of a method. */
export interface Call<T = unknown> {
    method: string;
    /** What it was called with: text as a string, JSON as its value, bytes as a Uint8Array. */
    data: T;
    /** The user that calls, if that is known, and the session. */
    user?: string;
    session?: string;
    /** It aborts when nobody waits for the answer any more. */
    signal: AbortSignal;
}
/** What answers calls: what it returns is sent as a publication would be. A GodwitError that it throws is given to the caller as it is. */
export type Handler<T = unknown> = (call: Call<T>) => unknown;
export interface HandleOptions {
    /** How many calls there may be at a time. Default is the server's. */
    concurrency?: number;
    /** Answering ends when it aborts. */
    signal?: AbortSignal;
}
/** What Answers need of a connection. */
interface Connection {
    readonly state: State;
    readonly session: string | undefined;
    _ask(verb: string, body: Line, options?: AskOptions): Promise<Line>;
    _emit(type: "error", error: GodwitError): boolean;
}
/** Answers are the methods that a session answers (docs/protocol.md §7). They are registered anew with every new session. */
export declare class Answers {
    private _connection;
    private _methods;
    private _calls;
    private _callsOf;
    constructor(_connection: Connection);
    get size(): number;
    handle(name: string, answer: Handler, { concurrency, signal }: HandleOptions): Promise<() => void>;
    /** renew registers with a session that knows nothing of this yet. */
    renew(): void;
    /** push takes what has come, if it concerns calls. */
    push({ call, call_over, unregistered }: Line): void;
    private _ask;
    private _answer;
    private _abort;
}
export {};
