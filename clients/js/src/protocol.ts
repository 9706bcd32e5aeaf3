/** A problem as the server tells it (docs/problems.md). */
export interface Problem {
  type: string
  title: string
  detail?: string
  retry_after_ms?: number
  data?: unknown
}

/**
 * An error of a command, of a subscription or of the connection. `type` is what programs look at: the server's own, as in
 * docs/problems.md, or one of the client, which begins with `urn:godwit:client:`.
 */
export class GodwitError extends Error {
  /** The URI of the problem. */
  readonly type: string
  /** The name of the problem: what its type ends with, such as `forbidden`. */
  readonly problem: string
  /** What the application that answered a call has added. */
  readonly data: unknown
  /** After how many milliseconds it may be tried again, if the server says so. */
  readonly retryAfter: number | undefined
  /** The code with which the connection ended (docs/codes.md), or the status of a refused request. */
  readonly code: number | undefined

  constructor(problem: Problem, code?: number) {
    super(problem.detail || problem.title)
    this.name = "GodwitError"
    this.type = problem.type
    this.problem = problem.type.replace(/^.*[/:]/, "")
    this.data = problem.data
    this.retryAfter = problem.retry_after_ms
    this.code = code
  }
}

/** A problem that the client itself has. */
export function trouble(name: string, title: string): Problem {
  return { type: "urn:godwit:client:" + name, title }
}

/** notKnown is how errors end after which something was done, or was not. */
export const notKnown = ", and whether this was done is not known"

/** wasClosed is what becomes of everything after close. */
export const wasClosed: Problem = trouble("closed", "this client was closed")

/** Everything the server sends: replies and pushes (docs/protocol.md §2, §5). */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Line = Record<string, any>

/** isPattern says whether name is a pattern of channels: the name of a channel has no asterisk. */
export function isPattern(name: string): boolean {
  return name.includes("*")
}

/** matcher makes a test for the channels that a name or pattern stands for. */
export function matcher(name: string): (channel: string) => boolean {
  const pattern = name.replace(/\*\*?|\W/g, (part) => (part === "*" ? "(?!@)[^/]+" : part === "**" ? "(?!@).+" : "\\" + part))
  const is = new RegExp(`^${pattern}$`, "s")
  return (channel) => is.test(channel)
}

/**
 * isBehind says whether position a comes after b. Positions are EPOCH:OFFSET; those of different epochs cannot be compared, and a
 * new epoch is news (docs/protocol.md §5.5).
 */
export function isBehind(a: string, b: string | undefined): boolean {
  if (!b) return true
  const i = a.lastIndexOf(":")
  const j = b.lastIndexOf(":")
  if (i !== j || a.slice(0, i) !== b.slice(0, j)) return true
  // Offsets have up to 20 digits, more than a number holds.
  return a.length !== b.length ? a.length > b.length : a > b
}
