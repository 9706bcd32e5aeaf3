import { isBehind, isPattern, matcher, type Line, type Problem } from "./protocol.js"
import type { Session } from "./session.js"
import type { Fields, Input } from "./steps.js"

/** Somebody who wants a channel or pattern: a Channel of this tab, or another tab. */
export interface Feed {
  readonly name: string
  readonly since?: string
  readonly last?: number
  readonly fields: Fields
  /**
   * begun says where it begins, with `publications` that come before everything that is pushed. It is called again whenever the
   * subscription has begun on another connection.
   */
  begun(ok: Line): void
  failed(error: Problem): void
  /** push is absent for another tab: all of them are told at once. */
  push?(line: Line): void
  /** @internal */
  isFilled?: boolean
}

/** What a Fan needs of the connection that it is for. */
export interface FanHost {
  _run(input: Input): void
  _ask(verb: string, body: Line): Promise<Line>
}

interface Branch {
  feeds: Set<Feed>
  opener: Feed // the one that the subscription was asked for
  fields: Fields
  matches: (channel: string) => boolean
}

/**
 * A Fan shares the subscriptions of a Session, of which there can be one for each name, among any number of feeds that came at
 * different times and want different beginnings.
 */
export class Fan {
  private _branches = new Map<string, Branch>()
  private _patterns: Branch[] = []

  constructor(
    private _session: Session,
    private _host: FanHost,
  ) {}

  get size(): number {
    return this._branches.size
  }

  attach(feed: Feed): void {
    const { name, since, last, fields } = feed
    let branch = this._branches.get(name)
    const isNew = !branch
    if (!branch) {
      branch = { feeds: new Set(), opener: feed, fields, matches: matcher(name) }
      this._branches.set(name, branch)
      if (isPattern(name)) this._patterns.push(branch)
    }
    branch.feeds.add(feed)
    if (this._session.hasBegun(name)) this._fill(branch, feed) // or the server has subscribed this session
    else if (isNew) this._host._run({ is: "subscribe", name, since, last, fields })
  }

  detach(feed: Feed): void {
    const branch = this._branches.get(feed.name)
    if (!branch?.feeds.delete(feed) || branch.feeds.size > 0) return
    this._remove(feed.name, branch)
    this._host._run({ is: "unsubscribe", name: feed.name })
  }

  begun(name: string, ok: Line | undefined, error: Problem | undefined): void {
    const branch = this._branches.get(name)
    if (!branch) return
    if (error) {
      this._remove(name, branch)
      for (const feed of branch.feeds) feed.failed(error)
      return
    }
    branch.opener.isFilled = true
    for (const feed of branch.feeds) if (feed.isFilled) feed.begun(ok!)
    for (const feed of branch.feeds) if (!feed.isFilled && !this._fill(branch, feed)) return // the others have their turn when it has begun
  }

  /** push hands on what has come, and says whether another tab wants it. */
  push(line: Line): boolean {
    const about = line.position ? line : (line.gap ?? line.join ?? line.leave ?? line.presence ?? line.vector)
    const name: string | undefined = about?.channel
    if (name === undefined) return false
    let isWanted = this._hand(this._branches.get(name), line)
    for (const branch of this._patterns) if (branch.matches(name)) isWanted = this._hand(branch, line) || isWanted
    return isWanted
  }

  private _hand(branch: Branch | undefined, line: Line): boolean {
    let isWanted = false
    for (const feed of branch?.feeds ?? []) {
      if (feed.push) feed.push(line)
      else isWanted = true
    }
    return isWanted
  }

  private _remove(name: string, branch: Branch): void {
    this._branches.delete(name)
    this._patterns = this._patterns.filter((other) => other !== branch)
  }

  // _fill gives a feed that came late its beginning. It returns false if the subscription is asked for again for that.
  private _fill(branch: Branch, feed: Feed): boolean {
    const { name, since, last, fields } = feed
    const position = this._session.position(name)
    const needsMore = !!fields.presence && !branch.fields.presence
    // Vectors cannot be compared. The feeds that have more than since ignore what is repeated.
    const isEarlier = !!since && since !== position && (isPattern(name) || isBehind(position!, since))
    if (needsMore || isEarlier || (branch.fields.rate && branch.fields.rate !== fields.rate)) {
      branch.opener = feed
      branch.fields = { presence: fields.presence || branch.fields.presence } // at the rate of everybody
      this._host._run({ is: "subscribe", name, since: isEarlier ? since : position, fields: branch.fields })
      return false
    }
    const begin = (ok: Line) => {
      if (!branch.feeds.has(feed)) return
      feed.isFilled = true
      feed.begun(ok)
    }
    const now = { position, vector: position }
    if (!last || since || isPattern(name)) begin(now)
    else {
      // What is pushed meanwhile waits with the feed.
      this._host._ask("history", { channel: name, last: Math.min(last, 256) }).then(begin, () => begin(now))
    }
    return true
  }
}
