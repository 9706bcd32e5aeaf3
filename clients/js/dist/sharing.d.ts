import type { Fan } from "./fan.js";
import { type Leader } from "./follower.js";
import type { Line } from "./protocol.js";
import type { Session } from "./session.js";
import type { Input } from "./steps.js";
import { type Shared } from "./tabs.js";
/** What sharing needs of the connection of its tab. */
export interface Host {
    session: Session;
    fan: Fan;
    run(input: Input): void;
    command: Leader["ask"];
    forget: Leader["forget"];
    busy(): void;
    rest(): void;
    tell(): void;
}
/** A Sharing is the part of a connection that knows of other tabs. */
export interface Sharing {
    /** What the tab that has the connection says of it, while that is another one. */
    shared: Shared | undefined;
    readonly isLeader: boolean;
    readonly hasFollowers: boolean;
    join(): void;
    leave(): void;
    steal(): void;
    /** ask gives commands to the tab that has the connection. */
    ask(lines: string[]): void;
    /** push gives what has come to the other tabs. */
    push(line: Line): void;
    /** share tells the other tabs how the connection is. */
    share(): void;
}
/** Whether tabs can share a connection here: Web Locks want a secure context. */
export declare function canShare(): boolean;
/** shareTabs is Sharing among the tabs of a browser that give the same name. */
export declare function shareTabs(name: string, id: string, { session, fan, run, command, forget, busy, rest, tell }: Host): Sharing | undefined;
