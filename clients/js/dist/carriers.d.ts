import type { Line } from "./protocol.js";
import type { Lost } from "./steps.js";
/** The ways to carry a session, in the order in which they are tried. */
export type Transport = "websocket" | "stream" | "sse" | "poll";
/** What a carrier needs from its surroundings. */
export interface Surroundings {
    url: string;
    fetch?: typeof fetch;
    WebSocket?: typeof WebSocket;
    codec?: Codec;
    session: {
        resume?: {
            session: string;
            secret: string;
        };
    };
}
/** How objects are written in the messages of a WebSocket. Default is JSON. */
export interface Codec {
    /** The subprotocol. */
    readonly protocol: string;
    encode(line: Line): string | ArrayBufferView<ArrayBuffer>;
    decode(data: any): Line[];
}
/** What a carrier tells. Nothing is to be made of what comes after `lost`, or after it was closed. */
export interface Told {
    ready(): void;
    received(lines: Line[]): void;
    lost(why: Lost): void;
}
/** Something that carries commands one way and what the server says the other. */
export interface Carrier {
    send(lines: Line[]): void;
    /** close ends it: with 1000 the session, too. */
    close(code: number): void;
}
/** open begins to carry a session in one way. */
export declare function open(transport: Transport, around: Surroundings, told: Told): Carrier;
