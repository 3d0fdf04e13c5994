/**
 * Where the items of a stream come from: a batch at a time, each asked for when the one before is used up.
 *
 * @internal
 */
import { type Asked, aborted, ask, warn } from './call.js'
import { errorOf } from './errors.js'
import { attempts, type Wire } from './fields.js'
import { type Letter, type RouterHandle, type StreamHandle, addon, followFor, readBatch } from './native.js'
import { Reply } from './reply.js'
import type { Attempt } from './types.js'

/** Items are as the core wrote them: objects, or strings after `textOnly`. */
export class Source {
  /** Given nothing but text. Counts only before the first item is asked for. */
  textOnly = false
  reply: Reply | null = null

  readonly #open: () => RouterHandle
  #asked: Asked | undefined
  #handle: StreamHandle | undefined
  #items: Wire[] = []
  /** The next of them. */
  #at = 0
  /** Makes what is to be thrown after the items: when it is thrown, so that it has the reader's stack. */
  #failure: (() => unknown) | undefined
  /** Whether nothing comes after the items and the failure. */
  #over = false
  /** The batch under way. */
  #batch: { ended: Promise<void>; cancel: () => void } | undefined
  #unfollow: (() => void) | undefined
  /** Reads that wait for their turn, and the last of them. */
  #turns = 0
  #last: Promise<void> = Promise.resolve()

  constructor(open: () => RouterHandle, task: unknown, messages: unknown, options: unknown) {
    this.#open = open
    try {
      // At once, so that what the caller changes later changes nothing here.
      this.#asked = ask(task, messages, options)
    } catch (error) {
      this.#fail(() => error)
    }
  }

  /** The next item, in the order in which they were asked for; undefined at the end. */
  next(): Promise<Wire | undefined> {
    this.#heed()
    if (this.#turns === 0 && this.#at < this.#items.length) return Promise.resolve(this.#items[this.#at++])
    const before = this.#turns === 0 ? undefined : this.#last
    let end = (): void => {}
    this.#last = new Promise((resolve) => (end = resolve))
    return this.#turn(before, end)
  }

  /** Awaited by the reader alone and all the way, since only then is the reader in the stack of what is thrown. */
  async #turn(before: Promise<void> | undefined, end: () => void): Promise<Wire | undefined> {
    this.#turns += 1
    try {
      if (before !== undefined) await before
      return await this.#take()
    } finally {
      this.#turns -= 1
      end()
    }
  }

  /** What the caller no longer wants is not handed over, even if it has come. */
  #heed(): void {
    const signal = this.#asked?.signal
    if (!signal?.aborted || this.#at === this.#items.length) return
    this.#items = []
    this.#at = 0
    const { task } = this.#asked as Asked
    const trail = { attempts: JSON.parse(this.#handle?.attempts() ?? '[]') }
    if (this.#over) this.#fail(() => aborted(signal, task, trail))
  }

  /** Closes the connections. Reads that wait get the end. */
  close(): void {
    this.#items = []
    this.#at = 0
    this.#failure = undefined
    if (this.#over) return
    this.#finish()
    this.#handle?.close()
    this.#batch?.cancel()
  }

  /** The trail so far. */
  get attempts(): Attempt[] {
    return this.#handle === undefined ? [] : attempts(JSON.parse(this.#handle.attempts()))
  }

  async #take(): Promise<Wire | undefined> {
    this.#heed()
    while (this.#at === this.#items.length) {
      if (this.#failure !== undefined) {
        const failure = this.#failure
        this.#failure = undefined
        throw failure()
      }
      if (this.#over) return undefined
      await this.#fetch()
    }
    return this.#items[this.#at++]
  }

  /** Asks for a batch, unless one is under way already. It never fails: what went wrong is thrown by the read. */
  #fetch(): Promise<void> {
    if (this.#batch !== undefined) return this.#batch.ended
    try {
      const stream = (this.#handle ??= this.#begin())
      const { letter, cancel } = readBatch(stream)
      const ended = letter.then((received) => {
        this.#batch = undefined
        this.#receive(received)
      })
      this.#batch = { ended, cancel }
      return ended
    } catch (error) {
      this.#fail(() => error)
      return Promise.resolve()
    }
  }

  #begin(): StreamHandle {
    const { task, request, signal } = this.#asked as Asked
    if (signal?.aborted) throw aborted(signal, task)
    const stream = addon.openStream(this.#open(), request, this.textOnly)
    if (typeof stream === 'string') throw errorOf(JSON.parse(stream))
    this.#unfollow = signal && followFor(this, signal, (source) => source.#abort())
    return stream
  }

  /** The connections are closed by the core when it is asked for the error that this makes. */
  #abort(): void {
    this.#items = []
    this.#at = 0
    this.#handle?.cancel()
    void this.#fetch()
  }

  #receive({ envelope, settlement }: Letter): void {
    const { items, reply, error, closed, bug, notices } = JSON.parse(envelope) as Wire
    warn(notices)
    // After a close nobody wants it any more.
    if (this.#over) return
    const { task, signal } = this.#asked as Asked
    if (signal?.aborted) {
      this.#handle?.close()
      this.#fail(() => aborted(signal, task, error ?? reply, settlement))
    } else if (bug !== undefined) {
      this.#handle?.close()
      this.#fail(() => new Error(bug))
    } else {
      this.#items = items
      this.#at = 0
      if (error) this.#fail(() => errorOf(error, settlement))
      else if (closed) this.#finish()
      else if (reply && settlement !== null) {
        this.reply = new Reply(reply, settlement)
        if (!this.textOnly) items.push({ type: 'end', reply: this.reply })
        this.#finish()
      }
    }
  }

  #fail(failure: () => unknown): void {
    this.#failure = failure
    this.#finish()
  }

  #finish(): void {
    this.#over = true
    this.#unfollow?.()
    this.#unfollow = undefined
  }
}
