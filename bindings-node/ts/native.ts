/**
 * The addon: finding it, its interface, and the calls under way of this JavaScript thread.
 *
 * @internal
 */
import { join } from 'node:path'

/** A router in the core. */
export interface RouterHandle {
  tasks(): string[]
  takeNotices(): string[]
  health(): string
  resetHealth(model: string | null): void
  explain(request: string): string
  flush(patienceMs: number | null): boolean
}

/** The events of a router in the core. */
export interface EventsHandle {
  take(): string | null
  listened(listened: boolean): void
}

/** A stream in the core. */
export interface StreamHandle {
  cancel(): void
  close(): void
  attempts(): string
}

/** A request to OpenAI's API and its response, in the core. */
export interface ExchangeHandle {
  close(): void
}

/** Scripted providers in the core. */
export interface MockHandle {
  url(name: string): string | null
  log(): string | null
  close(): void
}

declare const settlement: unique symbol
/** A finished call, kept for what may still be asked of it. */
export type Settlement = { [settlement]: never }

interface Mailbox {
  complete(router: RouterHandle, ticket: number, request: string): void
  read(stream: StreamHandle, ticket: number): void
  advance(exchange: ExchangeHandle, ticket: number): void
  usage(router: RouterHandle, ticket: number, options: string): void
  cancel(ticket: number): void
  watch(router: RouterHandle): EventsHandle
  drain(): [ticket: number, envelope: string, settlement: Settlement | null][]
}

/** Asks for the credential of a provider. It is answered with the ticket. */
type AskCredential = (ticket: number, provider: string) => void

/** Where a router, a stream, an exchange or a mock is asked for and a string comes back, it is the error as JSON. */
interface Addon {
  Mailbox: new (wake: () => void) => Mailbox
  openConfig(config: string, providers: string[], ask: AskCredential): RouterHandle | string
  openFile(path: string, providers: string[], ask: AskCredential): RouterHandle | string
  openDefault(providers: string[], ask: AskCredential): RouterHandle | string
  giveCredential(ticket: number, given: string | null, instead: string): void
  openStream(router: RouterHandle, request: string, text: boolean): StreamHandle | string
  openExchange(router: RouterHandle, head: string, body: Uint8Array): ExchangeHandle | string
  lastFlushMs(): number
  errorKinds(): string[]
  rawBody(settlement: Settlement): string | null
  trail(settlement: Settlement): string
  startMock(script: string): MockHandle | string
  runCli(args: string[]): number
}

/**
 * What a call, a batch or a turn brought. `envelope` is JSON: `{reply}`, `{error}` or `{bug}`; of a stream, also `items` and
 * `closed`; of a report `{usage}`; of an exchange `{status, headers}`, with `body` where that is whole, then `{page}` by `{page}` to a null; and
 * `notices` if there are any.
 */
export interface Letter {
  envelope: string
  settlement: Settlement | null
}

export const addon = load()

const waiting = new Map<number, (letter: Letter) => void>()
let lastTicket = 0

/** Those who take events. A router that is gone tells no more. */
const watchers = new Set<WeakRef<Taker>>()

interface Taker {
  deliver(): void
}

const mailbox = new addon.Mailbox(() => {
  const letters = mailbox.drain()
  for (const watcher of watchers) {
    const taker = watcher.deref()
    if (taker) taker.deliver()
    else watchers.delete(watcher)
  }
  for (const [ticket, envelope, settlement] of letters) {
    const settle = waiting.get(ticket)
    waiting.delete(ticket)
    settle?.({ envelope, settlement })
  }
})

/** The events of a router; `taker` is told when there are some to take, as long as somebody else holds it. */
export function watch(router: RouterHandle, taker: Taker): EventsHandle {
  watchers.add(new WeakRef(taker))
  return mailbox.watch(router)
}

/** Makes a call. `request` is `{task, messages, options}` as JSON. When `signal` aborts, the core is told and settles it. */
export async function send(router: RouterHandle, request: string, signal: AbortSignal | undefined): Promise<Letter> {
  const { letter, cancel } = post((ticket) => mailbox.complete(router, ticket, request))
  const unfollow = signal && follow(signal, cancel)
  try {
    return await letter
  } finally {
    unfollow?.()
  }
}

interface Posted {
  letter: Promise<Letter>
  cancel: () => void
}

/** Reads what calls did and cost. */
export async function readUsage(router: RouterHandle, options: string): Promise<Letter> {
  return await post((ticket) => mailbox.usage(router, ticket, options)).letter
}

/** Asks a stream for its next batch. After `cancel` it comes at once. */
export function readBatch(stream: StreamHandle): Posted {
  return post((ticket) => mailbox.read(stream, ticket))
}

/** Asks an exchange for its response, and after that for more of its body. After `cancel` it comes at once, and empty. */
export function advance(exchange: ExchangeHandle): Posted {
  return post((ticket) => mailbox.advance(exchange, ticket))
}

function post(start: (ticket: number) => void): Posted {
  const ticket = (lastTicket = (lastTicket + 1) >>> 0)
  start(ticket)
  return { letter: new Promise((resolve) => waiting.set(ticket, resolve)), cancel: () => mailbox.cancel(ticket) }
}

/** What a signal cancels, and its one listener: with one for each call, Node would warn of a leak. */
const followers = new WeakMap<AbortSignal, { all: Set<() => void>; cancel: () => void }>()

/** Calls `cancel` when `signal` aborts, until the function that is returned is called. */
export function follow(signal: AbortSignal, cancel: () => void): () => void {
  let found = followers.get(signal)
  if (!found) {
    const all = new Set<() => void>()
    found = { all, cancel: () => all.forEach((each) => each()) }
    followers.set(signal, found)
    signal.addEventListener('abort', found.cancel)
  }
  const { all, cancel: listener } = found
  all.add(cancel)
  return () => {
    all.delete(cancel)
    if (all.size > 0) return
    if (followers.get(signal)?.all === all) followers.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

/** Ends the listening of those who were collected before they ended. */
const forgotten = new FinalizationRegistry<() => void>((unfollow) => unfollow())

/** The same for `owner`, whom the signal does not keep: it often outlives what nobody reads any more. */
export function followFor<T extends object>(owner: T, signal: AbortSignal, cancel: (owner: T) => void): () => void {
  const weak = new WeakRef(owner)
  const unfollow = follow(signal, () => {
    const found = weak.deref()
    if (found !== undefined) cancel(found)
  })
  forgotten.register(owner, unfollow, weak)
  return () => {
    unfollow()
    forgotten.unregister(weak)
  }
}

/**
 * The addon is a file beside package.json (a build, or the package for one platform) or a package of its own, which npm
 * installs where it fits. Which C library a Linux has need not be found out: an addon for the other one does not load.
 */
function load(): Addon {
  const { platform, arch } = process
  const base = `${platform}-${arch}`
  const names = platform === 'linux' ? [`${base}-gnu`, `${base}-musl`] : [base]
  const places = [...names.map((name) => join(__dirname, '..', `locum.${name}.node`)), ...names.map((name) => `locum-${name}`)]
  const errors: unknown[] = []
  for (const place of places) {
    try {
      return require(place) as Addon
    } catch (error) {
      errors.push(error)
    }
  }
  throw new AggregateError(errors, `locum has no addon for ${base}, or it does not load (tried ${places.join(', ')})`)
}
