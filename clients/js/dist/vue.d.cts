import type { ChannelOptions, Godwit, Member, Message, State } from "./index.cjs";
/** A ref of Vue that is read. */
export interface ReadonlyRef<T> {
    readonly value: T;
}
/** useMessages is the newest `keep` messages (default 100), the oldest first, until its scope ends. */
export declare function useMessages<T = unknown>(godwit: Godwit, name: string, options?: ChannelOptions & {
    keep?: number;
}): ReadonlyRef<Message<T>[]>;
/** useMembers is who is subscribed to a channel, and subscribes to it. */
export declare function useMembers(godwit: Godwit, name: string): ReadonlyRef<Member[]>;
/** useConnection is the state of the connection. */
export declare function useConnection(godwit: Godwit): ReadonlyRef<State>;
