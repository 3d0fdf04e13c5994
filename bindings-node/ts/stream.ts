/** Streams: answers as they come. */
import { AbortError } from './errors.js'
import { event } from './fields.js'
import type { Reply } from './reply.js'
import type { Source } from './source.js'
import type { Attempt, StreamEvent } from './types.js'

/** What streams of events and of text have in common. */
abstract class Live<T> implements AsyncIterable<T> {
  /** @internal */
  protected readonly source: Source
  #taken = false

  /** @internal */
  constructor(source: Source) {
    this.source = source
  }

  /** The reply; null before the end. */
  get reply(): Reply | null {
    return this.source.reply
  }

  /** What was tried and what was passed over so far, in order; after a close too. */
  get attempts(): Attempt[] {
    return this.source.attempts
  }

  /** Closes the connections. Nothing further comes, and that is no error. */
  close(): void {
    this.source.close()
  }

  /** For `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /**
   * To read it, once. Leaving the loop closes the connections.
   *
   * @throws {TypeError} when somebody reads it already
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    this.take()
    return new Items(this.source, (wire) => this.item(wire))
  }

  /**
   * The same as a stream of the web platform, which reads only when it is read. Cancelling it closes the connections.
   *
   * @throws {TypeError} when somebody reads it already
   */
  toReadableStream(): ReadableStream<T> {
    const items = this[Symbol.asyncIterator]()
    const source = {
      async pull(controller: ReadableStreamDefaultController<T>): Promise<void> {
        const { done, value } = await items.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel(): Promise<void> {
        await items.return?.()
      },
    }
    return new ReadableStream<T>(source, { highWaterMark: 0 })
  }

  /** @internal */
  protected abstract item(wire: unknown): T

  /** @internal */
  protected take(): void {
    if (this.#taken) throw new TypeError('the stream is read already: it has one reader, and each event comes once')
    this.#taken = true
  }
}

/** The events of an answer as it comes. It is read once: as events, as a web stream, as text, or whole. */
export class Stream extends Live<StreamEvent> {
  /**
   * Nothing but the text, piece by piece; the reply is there at the end. An answer that would have to begin anew ends in the
   * error of its break instead.
   *
   * @throws {TypeError} when somebody reads the stream already
   */
  text(): TextStream {
    this.take()
    this.source.textOnly = true
    return new TextStream(this.source)
  }

  /**
   * Reads to the end.
   *
   * @throws what reading would throw, and an `AbortError` when the stream is closed before its end
   */
  async collect(): Promise<Reply> {
    this.take()
    while ((await this.source.next()) !== undefined) continue
    if (this.source.reply !== null) return this.source.reply
    throw new AbortError({ kind: 'cancelled', message: 'the stream was closed before its end', attempts: this.attempts })
  }

  /** @internal */
  protected override item(wire: unknown): StreamEvent {
    return event(wire)
  }
}

/** The text of an answer as it comes. It is read once. */
export class TextStream extends Live<string> {
  /** @internal */
  protected override item(wire: unknown): string {
    return wire as string
  }
}

class Items<T> implements AsyncIterableIterator<T> {
  constructor(
    private readonly source: Source,
    private readonly item: (wire: unknown) => T,
  ) {}

  async next(): Promise<IteratorResult<T, undefined>> {
    const wire = await this.source.next()
    return wire === undefined ? { done: true, value: undefined } : { done: false, value: this.item(wire) }
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.source.close()
    return { done: true, value: undefined }
  }

  async throw(error: unknown): Promise<never> {
    this.source.close()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
