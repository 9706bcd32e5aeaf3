/** How to listen: as with addEventListener. */
export interface ListenOptions {
  /** Listening ends when it aborts. */
  signal?: AbortSignal
  /** Listening ends with the first event. */
  once?: boolean
}

interface Listener {
  call: (event: never) => void
  once: boolean
}

/**
 * Emitter has the events of an EventTarget without Event objects: a listener is given the thing itself. The same function listens
 * once to a type; what one throws is reported and does not keep others from hearing.
 */
export class Emitter<Events extends object> {
  private _listeners = new Map<keyof Events, Listener[]>()

  /** on calls listener at each event of that type, and returns how to stop. */
  on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void, options: ListenOptions = {}): () => void {
    const off = () => this.off(type, listener)
    if (options.signal?.aborted) return off
    const listeners = this._listeners.get(type) ?? []
    if (!listeners.some(({ call }) => call === listener)) {
      this._listeners.set(type, [...listeners, { call: listener, once: !!options.once }])
      this._listens(type)
    }
    options.signal?.addEventListener("abort", off, { once: true })
    return off
  }

  /** off ends what on began. */
  off<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): void {
    const before = this._listeners.get(type)
    const left = before?.filter(({ call }) => call !== listener) ?? []
    if (!before || left.length === before.length) return
    if (left.length > 0) this._listeners.set(type, left)
    else this._listeners.delete(type)
    this._leaves()
  }

  /** @internal */
  protected get _isHeard(): boolean {
    return this._listeners.size > 0
  }

  /** @internal */
  protected _listens(_type: keyof Events): void {}

  /** @internal */
  protected _leaves(): void {}

  /** @internal */
  _emit<T extends keyof Events>(type: T, event: Events[T]): boolean {
    const listeners = this._listeners.get(type)
    for (const { call, once } of listeners ?? []) {
      if (once) this.off(type, call as never)
      try {
        call(event as never)
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
