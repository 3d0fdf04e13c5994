/**
 * Router events: those who listen, and their being told.
 *
 * @internal
 */
import { inspect } from 'node:util'

import { routerEvent, type Wire } from './fields.js'
import { type EventsHandle, type RouterHandle, watch } from './native.js'
import type { RouterEvent } from './types.js'

type Listener = (event: RouterEvent) => void

/** Those who listen to one router. */
export class Watcher {
  readonly #handle: EventsHandle
  readonly #listeners = new Map<number, Listener>()
  #last = 0

  constructor(router: RouterHandle) {
    this.#handle = watch(router, this)
  }

  /** Adds a listener; what is returned takes it back. */
  listen(listener: Listener): () => void {
    const number = (this.#last += 1)
    this.#listeners.set(number, listener)
    this.#handle.listened(true)
    return () => {
      if (this.#listeners.delete(number)) this.#handle.listened(this.#listeners.size > 0)
    }
  }

  /** Tells what there is. */
  deliver(): void {
    const batch = this.#handle.take()
    if (batch === null) return
    const { events, dropped } = JSON.parse(batch) as { events: Wire[]; dropped: number }
    for (const wire of events) {
      const event = routerEvent(wire)
      // A copy: whoever comes while an event is told hears the next one. Who was taken back meanwhile hears no more.
      for (const [number, listener] of [...this.#listeners]) {
        if (this.#listeners.has(number)) tell(listener, event)
      }
    }
    if (dropped > 0) process.emitWarning(`${dropped} router events were dropped: nobody took them in time`, 'LocumWarning')
  }
}

/** What a listener throws is its own trouble: it is told as a warning, and ends no call. */
function tell(listener: Listener, event: RouterEvent): void {
  try {
    listener(event)
  } catch (error) {
    process.emitWarning(`a listener of router events threw: ${shown(error)}`, 'LocumWarning')
  }
}

/** Anything can be thrown, also what cannot be shown; and nothing may be thrown here, where replies wait to be handed over. */
function shown(error: unknown): string {
  try {
    return error instanceof Error ? (error.stack ?? String(error)) : inspect(error)
  } catch {
    return 'something that cannot be shown'
  }
}
