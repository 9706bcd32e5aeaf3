import type { Line } from "./protocol.cjs";
/**
 * Reads what comes for one subscription: it is given each publication, which may say only what has changed, and returns it
 * whole, or nothing if what has changed does not fit.
 */
export type DeltaReader = (line: Line) => Line | undefined;
/** `new Godwit(url, { deltas: fossil })` has publications sent as what has changed in them, where that is shorter (docs/protocol.md §8). */
export declare function fossil(): DeltaReader;
/** applyDelta applies a delta of Fossil's format to base. It throws a RangeError if it does not fit, or its checksum is wrong. */
export declare function applyDelta(base: Uint8Array, delta: Uint8Array): Uint8Array;
