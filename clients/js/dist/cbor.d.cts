import type { Codec } from "./carriers.cjs";
/**
 * `new Godwit(url, { codec: cbor })` speaks CBOR over WebSockets (docs/protocol.md §10): bytes are sent as they are, and not as
 * Base64. Other transports have JSON as ever.
 */
export declare const cbor: Codec;
