import type { ChannelOptions, Gap, Godwit, GodwitError, Member, Message, State } from "./index.js";
/** What useChannel gives: the newest messages, the oldest first. */
export interface ChannelView<T> {
    messages: Message<T>[];
    /** The newest message. */
    latest: Message<T> | undefined;
    /** The newest gap. */
    gap: Gap | undefined;
    error: GodwitError | undefined;
    publish(data: T): Promise<string>;
}
/** useChannel shows a channel. It keeps the newest `keep` messages (default 100); a component that is mounted twice subscribes once. */
export declare function useChannel<T = unknown>(godwit: Godwit, name: string, options?: ChannelOptions & {
    keep?: number;
}): ChannelView<T>;
/** usePresence shows who is subscribed to a channel, and subscribes to it. */
export declare function usePresence(godwit: Godwit, name: string): {
    members: Member[];
    count: number;
};
/** useConnection shows the state of the connection. */
export declare function useConnection(godwit: Godwit): State;
