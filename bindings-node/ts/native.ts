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
  cancel(ticket: number): void
  drain(): [ticket: number, envelope: string, settlement: Settlement | null][]
}

/** Where a router or a mock is asked for and a string comes back, it is the error as JSON. */
interface Addon {
  Mailbox: new (wake: () => void) => Mailbox
  openConfig(config: string): RouterHandle | string
  openFile(path: string): RouterHandle | string
  openDefault(): RouterHandle | string
  errorKinds(): string[]
  rawBody(settlement: Settlement): string | null
  trail(settlement: Settlement): string
  startMock(script: string): MockHandle | string
  runCli(args: string[]): number
}

/** What a call brought. `envelope` is JSON: `{reply}`, `{error}` or `{bug}`, and `notices` if there are any. */
export interface Letter {
  envelope: string
  settlement: Settlement | null
}

export const addon = load()

const waiting = new Map<number, (letter: Letter) => void>()
let lastTicket = 0

const mailbox = new addon.Mailbox(() => {
  for (const [ticket, envelope, settlement] of mailbox.drain()) {
    const settle = waiting.get(ticket)
    waiting.delete(ticket)
    settle?.({ envelope, settlement })
  }
})

/** Makes a call. `request` is `{task, messages, options}` as JSON. When `signal` aborts, the core is told and settles it. */
export function send(router: RouterHandle, request: string, signal: AbortSignal | undefined): Promise<Letter> {
  return new Promise((resolve, reject) => {
    const ticket = (lastTicket = (lastTicket + 1) >>> 0)
    try {
      mailbox.complete(router, ticket, request)
    } catch (error) {
      reject(error)
      return
    }
    const unfollow = signal && follow(signal, ticket)
    waiting.set(ticket, (letter) => {
      unfollow?.()
      resolve(letter)
    })
  })
}

/** The calls that a signal cancels, and its one listener: with one for each call, Node would warn of a leak. */
const followers = new WeakMap<AbortSignal, { tickets: Set<number>; cancel: () => void }>()

/** Cancels the call when `signal` aborts, until the function that is returned is called. */
function follow(signal: AbortSignal, ticket: number): () => void {
  let found = followers.get(signal)
  if (!found) {
    const tickets = new Set<number>()
    found = { tickets, cancel: () => tickets.forEach((ticket) => mailbox.cancel(ticket)) }
    followers.set(signal, found)
    signal.addEventListener('abort', found.cancel)
  }
  const { tickets, cancel } = found
  tickets.add(ticket)
  return () => {
    tickets.delete(ticket)
    if (tickets.size > 0) return
    followers.delete(signal)
    signal.removeEventListener('abort', cancel)
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
