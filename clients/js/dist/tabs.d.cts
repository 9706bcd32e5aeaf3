import type { Line } from "./protocol.cjs";
/** What a tab that has the connection tells the others about it. */
export interface Shared {
    state: string;
    retryAt: number;
    transport: string;
    user?: string;
    resume?: {
        session: string;
        secret: string;
    };
}
export interface TabEvents {
    /** follow says whether another tab has the connection. */
    follow(follow: boolean): void;
    /** A new tab has it. */
    leader(): void;
    /** The leader answers. */
    received(lines: Line[]): void;
    shared(shared: Shared): void;
    /** A follower, to the leader. */
    commands(from: string, lines: string[]): void;
    left(from: string): void;
}
/**
 * Tabs elects the tab that has the connection: the one that holds a Web Lock. When it is closed or crashes, the lock goes to the
 * next. One that is frozen keeps the lock, so it is stolen by a follower that gets no answer.
 */
export declare class Tabs {
    isLeader: boolean;
    readonly id: string;
    private _name;
    private _events;
    private _channel;
    private _release;
    private _end;
    private _known;
    private _isIn;
    constructor(name: string, id: string, events: TabEvents);
    join(): void;
    /** leave gives the connection to another tab, if this one has it. */
    leave(): void;
    /** steal takes the connection from a tab that does not answer. */
    steal(): void;
    get hasFollowers(): boolean;
    ask(lines: string[]): void;
    answer(to: string | undefined, lines: Line[]): void;
    share(shared: Shared): void;
    private _lock;
    private _lead;
    private _follow;
    private _say;
    private _hear;
    private _left;
}
