/** How to listen: as with addEventListener. */
export interface ListenOptions {
  /** Listening ends when it aborts. */
  signal?: AbortSignal
  /** Listening ends with the first event. */
  once?: boolean
}

type Listener = (event: never) => void

/**
 * Emitter has the events of an EventTarget without Event objects: a listener is given the thing itself. The same function listens
 * once to a type; what one throws is reported and does not keep others from hearing.
 */
export class Emitter<Events extends object> {
  private _listeners = new Map<keyof Events, Map<Listener, boolean | undefined>>() // and whether only once

  /** on calls listener at each event of that type, and returns how to stop. */
  on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void, options: ListenOptions = {}): () => void {
    const off = () => this.off(type, listener)
    if (options.signal?.aborted) return off
    const listeners = this._listeners.get(type) ?? new Map()
    if (!listeners.has(listener)) {
      this._listeners.set(type, listeners.set(listener, options.once))
      this._listens()
    }
    options.signal?.addEventListener("abort", off, { once: true })
    return off
  }

  /** off ends what on began. */
  off<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): void {
    const listeners = this._listeners.get(type)
    if (!listeners?.delete(listener)) return
    if (!listeners.size) this._listeners.delete(type)
    if (!this._listeners.size) this._leaves()
  }

  /** _listens is called when somebody begins to listen. @internal */
  protected _listens(): void {}

  /** _leaves is called when nobody listens any more. @internal */
  protected _leaves(): void {}

  /** @internal */
  _emit<T extends keyof Events>(type: T, event: Events[T]): boolean {
    const listeners = this._listeners.get(type)
    for (const [listener, once] of [...(listeners ?? [])]) {
      if (once) this.off(type, listener as never)
      try {
        listener(event as never)
      } catch (error) {
        // As an EventTarget does: the page's error handler hears of it.
        queueMicrotask(() => {
          throw error
        })
      }
    }
    return !!listeners
  }
}
