import type { ChannelOptions, Godwit, Member, Message, State } from "./index.cjs";
/** A store of Svelte: `$name` in a component subscribes and unsubscribes. */
export interface Readable<T> {
    subscribe(run: (value: T) => void): () => void;
}
/** messages is a store of the newest `keep` messages (default 100), the oldest first. */
export declare function messages<T = unknown>(godwit: Godwit, name: string, options?: ChannelOptions & {
    keep?: number;
}): Readable<Message<T>[]>;
/** members is a store of who is subscribed to a channel; reading it subscribes to the channel. */
export declare function members(godwit: Godwit, name: string): Readable<Member[]>;
/** connection is a store of the state of the connection. */
export declare function connection(godwit: Godwit): Readable<State>;
