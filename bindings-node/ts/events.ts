/**
 * Router events: those who listen, and their being told.
 *
 * @internal
 */
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
      // A copy: who listens may take itself or others back.
      for (const listener of [...this.#listeners.values()]) tell(listener, event)
    }
    if (dropped > 0) process.emitWarning(`${dropped} router events were dropped: nobody took them in time`, 'LocumWarning')
  }
}

/** What a listener throws is its own trouble: it is told as a warning, and ends no call. */
function tell(listener: Listener, event: RouterEvent): void {
  try {
    listener(event)
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? String(error)) : String(error)
    process.emitWarning(`a listener of router events threw: ${text}`, 'LocumWarning')
  }
}
