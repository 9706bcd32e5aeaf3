import { Emitter } from "./emitter.js"
import type { Feed } from "./fan.js"
import { later } from "./page.js"
import { GodwitError, isBehind, isPattern, type Line, type Problem } from "./protocol.js"

/** A publication. */
export interface Message<T = unknown> {
  /** What was published: text as a string, JSON as its value, bytes as a Uint8Array. */
  data: T
  channel: string
  /** Where it is in its channel. */
  position: string
  time: Date
  /** The name of the event, the user that published it and the key, where there are any. */
  event?: string
  user?: string
  key?: string
  gap?: undefined
}

/** Publications that do not come. */
export interface Gap {
  /** The channel, or the pattern if it is not known which channels. */
  channel: string
  /** What is missing comes after from, and ends with to. */
  from: string | null
  to: string | null
  /** Only `lost` is a loss; the others were left out on purpose (docs/codes.md). */
  reason: "lost" | "expired" | "conflated" | "dropped" | "rate" | (string & {})
  count?: number
}

/** What a loop over a channel is given: messages, and gaps where they are. */
export type Item<T = unknown> = Message<T> | { gap: Gap; channel: string; data?: undefined; position?: undefined }

/** How a channel is listened to. */
export interface ChannelOptions {
  /** How many of the newest publications come first. Default 0. */
  last?: number
  /** The position after which everything comes, in place of last; for a pattern a vector. */
  since?: string
  /** At most so many publications a second; what is left out is a gap of the reason `rate`. */
  rate?: number
  /** How many items a `for await` loop may be behind before the oldest are dropped, as a gap. Default 1000. */
  buffer?: number
}

/** How something is asked for. */
export interface AskOptions {
  /** After how many milliseconds it is given up. Default 30 s for questions; a publication waits as long as it has to. */
  timeout?: number
  signal?: AbortSignal
}

export interface PublishOptions extends AskOptions {
  event?: string
  key?: string
  /** The same key publishes nothing twice within 5 minutes. Default a random one; false for none. */
  idempotencyKey?: string | false
}

export interface HistoryOptions extends AskOptions {
  /** The newest so many. */
  last?: number
  /** What came after this position. */
  since?: string
  /** At most so many, up to 256. */
  limit?: number
}

/** A page of history. */
export interface HistoryPage<T = unknown> {
  messages: Message<T>[]
  /** From where `since` goes on. */
  position: string
  /** What is missing after `since`. */
  gap?: Gap
}

export interface ChannelEvents<T> {
  message: Message<T>
  /** Publications are missing. */
  gap: Gap
  /** The subscription was refused, or has been ended by the server: nothing comes until somebody listens anew. */
  error: GodwitError
  /** The subscription has begun, or goes on after a reconnect; with its position, or the vector of a pattern. */
  subscribed: string
}

/** What a Channel needs of its connection. */
export interface Link {
  _attach(feed: Feed): void
  _detach(feed: Feed): void
  _ask(verb: string, body: Line, options?: AskOptions): Promise<Line>
  readonly _grace: number
}

const channelsMax = 1000 // of a pattern, whose positions are kept

/**
 * A channel, or a pattern of channels. Listening subscribes, and when nobody has listened for some seconds, it is unsubscribed.
 * Every Channel has its own beginning and position, however many there are of the same name.
 */
export class Channel<T = unknown> extends Emitter<ChannelEvents<T>> implements AsyncIterable<Item<T>> {
  /** The name or the pattern. */
  readonly name: string

  /** @internal */
  protected _link: Link
  private _options: ChannelOptions
  private _feed: Feed | undefined
  private _at = new Map<string, string>() // the newest positions
  private _position: string | undefined
  private _stop: (() => void) | undefined

  /** @internal */
  constructor(link: Link, name: string, options: ChannelOptions) {
    super()
    this.name = name
    this._link = link
    this._options = options
  }

  /** How far this Channel has come: a position, or the vector of a pattern. Give it as `since` to go on from here. */
  get position(): string | undefined {
    return this._position
  }

  /**
   * publish resolves with the position when the server has accepted it. While there is no connection it waits. It is done once,
   * also if the connection breaks meanwhile. A string is published as text, bytes as bytes, anything else as JSON.
   */
  async publish(data: T, { event, key, idempotencyKey, ...options }: PublishOptions = {}): Promise<string> {
    const body = { channel: this.name, event, key, idempotency_key: (idempotencyKey ?? randomId()) || undefined, ...payload(data) }
    return (await this._link._ask("publish", body, options)).position
  }

  /** history reads a page of what was published. Default is the newest 100. */
  async history({ last, since, limit, ...options }: HistoryOptions = {}): Promise<HistoryPage<T>> {
    const ok = await this._link._ask("history", { channel: this.name, last: since ? undefined : (last ?? 100), since, limit }, options)
    return { messages: ok.publications.map(message), position: ok.position, gap: ok.gap && gapOf(ok.gap, this.name) }
  }

  /** A loop over messages and gaps, which ends with an error if the subscription is refused or ended. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Item<T>> {
    const most = this._options.buffer ?? 1000
    let items: Item<T>[] = []
    let failure: GodwitError | undefined
    let isDone = false
    let wake: (() => void) | undefined
    const over: IteratorReturnResult<undefined> = { value: undefined, done: true }
    const put = (item: Item<T>) => {
      if (items.length >= most) {
        // The oldest half goes at once, as one gap.
        const gone = items.splice(0, Math.max(1, most >> 1))
        const count = gone.reduce((sum, { gap }) => sum + (gap ? (gap.count ?? 0) : 1), 0)
        const to = isPattern(this.name) ? null : (gone.at(-1)?.position ?? null)
        items.unshift({ gap: { channel: this.name, from: null, to, reason: "dropped", count }, channel: this.name })
      }
      items.push(item)
      wake?.()
    }
    const end = () => {
      isDone = true
      for (const off of offs) off()
      wake?.()
    }
    const offs = [
      this.on("error", (error) => ((failure = error), end())),
      this.on("gap", (gap) => put({ gap, channel: gap.channel })),
      this.on("message", put),
    ]
    const iterator: AsyncIterableIterator<Item<T>> = {
      [Symbol.asyncIterator]: () => iterator,
      next: async () => {
        while (items.length === 0 && !isDone) await new Promise<void>((done) => (wake = done))
        const value = items.shift()
        if (value) return { value, done: false }
        const error = failure
        failure = undefined
        if (error) throw error
        return over
      },
      return: async () => {
        items = []
        end()
        return over
      },
    }
    return iterator
  }

  /** @internal */
  protected override _listens(): void {
    this._stop?.()
    this._stop = undefined
    if (this._feed) return
    // Listeners that are added right behind this one miss nothing.
    this._link._attach((this._feed = this._newFeed()))
  }

  /** @internal */
  protected override _leaves(): void {
    // A component that is mounted again at once goes on where it was.
    this._stop = later(this._link._grace, () => {
      this._stop = undefined
      if (this._feed) this._link._detach(this._feed)
      this._reset()
    })
  }

  private _reset(): void {
    this._feed = undefined
    this._at.clear()
  }

  private _newFeed(): Feed {
    const { since, last, rate } = this._options
    let held: Line[] | undefined = []
    if (since && !isPattern(this.name)) this._at.set(this.name, since)
    const feed: Feed = {
      name: this.name,
      since,
      last,
      fields: rate ? { rate } : {},
      begun: (ok) => {
        if (this._feed !== feed) return
        const lines = held ?? []
        if (held) {
          this._position = ok.vector ?? ok.position
          if (!ok.publications && !isPattern(this.name) && !since) this._at.set(this.name, ok.position)
        }
        held = undefined
        this._emit("subscribed", this._position ?? "")
        for (const line of [...(ok.publications ?? []), ...lines]) this._push(line)
      },
      failed: (error: Problem) => {
        if (this._feed !== feed) return
        this._reset()
        this._emit("error", new GodwitError(error))
      },
      push: (line) => {
        if (this._feed !== feed) return
        if (held) held.push(line)
        else this._push(line)
      },
    }
    return feed
  }

  private _push(line: Line): void {
    if (line.position) {
      if (this._reach(line.channel, line.position)) this._emit("message", message(line) as Message<T>)
    } else if (line.vector) {
      if (line.vector.channel === this.name) this._position = line.vector.vector
    } else if (line.gap) {
      const gap = gapOf(line.gap, this.name)
      if (!gap.to || this._reach(gap.channel, gap.to)) this._emit("gap", gap)
    }
  }

  // What this Channel has had already comes again for another, or after a vector (docs/protocol.md §5.5).
  private _reach(channel: string, position: string): boolean {
    if (!isBehind(position, this._at.get(channel))) return false
    if (isPattern(this.name)) {
      this._at.delete(channel) // to the end: the one that was silent for the longest goes first
      if (this._at.size >= channelsMax) this._at.delete(this._at.keys().next().value!)
    } else this._position = position
    this._at.set(channel, position)
    return true
  }
}

function gapOf(gap: Line, name: string): Gap {
  return { channel: name, reason: "lost", ...gap } as Gap
}

/** message reads an envelope. */
export function message({ channel, position, time, event, user, key, data, data_base64: text }: Line): Message {
  // All have the same members, which is what makes them quick to read.
  return { data: text === undefined ? data : Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), channel, position, time: new Date(time), event, user, key }
}

/** payload writes what is published, or given to a call. */
export function payload(data: unknown): Line {
  if (data instanceof ArrayBuffer) data = new Uint8Array(data)
  if (!ArrayBuffer.isView(data)) return { data: data === undefined ? null : data }
  return { data_base64: base64(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) }
}

function base64(bytes: Uint8Array): string {
  let text = ""
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(text)
}

/** randomId is unlike any other. crypto.randomUUID wants https, and React Native has no crypto of its own. */
export function randomId(): string {
  const bytes = new Uint8Array(12)
  return base64(globalThis.crypto?.getRandomValues(bytes) ?? bytes.map(() => Math.random() * 256))
}
