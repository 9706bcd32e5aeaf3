/** How to listen: as with addEventListener. */
export interface ListenOptions {
    /** Listening ends when it aborts. */
    signal?: AbortSignal;
    /** Listening ends with the first event. */
    once?: boolean;
}
/**
 * Emitter has the events of an EventTarget without Event objects: a listener is given the thing itself. The same function listens
 * once to a type; what one throws is reported and does not keep others from hearing.
 */
export declare class Emitter<Events extends object> {
    private _listeners;
    /** on calls listener at each event of that type, and returns how to stop. */
    on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void, options?: ListenOptions): () => void;
    /** off ends what on began. */
    off<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): void;
}
