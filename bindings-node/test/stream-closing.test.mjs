// The end of streams before their end: every way to leave one closes its connection at once, and leaves nothing behind.
import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

import { AbortError } from 'locum'

import { config, eventually, rejection, run, start } from './support.mjs'

const STALLED = { a: [{ answer: { text: 'one two three four', usage: { input: 3, output: 4 } }, stream: { stall_after: 2 }, times: 100 }] }

/** Reads up to the first text. */
async function firstText(items) {
  for (;;) {
    const { value } = await items.next()
    if (typeof value === 'string' || value.type === 'text') return value
  }
}

/** Does `leave`, and waits for the provider to see the connection closed. */
async function closes(mock, leave) {
  const begin = performance.now()
  await leave()
  await eventually(() => mock.log()[0]?.closedMs !== null, 'the socket closes')
  assert.ok(performance.now() - begin < 100, 'the socket closes at once')
}

const ways = {
  'leaving the loop': async (events) => {
    for await (const event of events) if (event.type === 'text') break
  },
  'an exception in the loop': async (events) => {
    const error = await rejection((async () => {
      for await (const event of events) if (event.type === 'text') throw new Error('mine')
    })())
    assert.equal(error.message, 'mine')
  },
  'close()': async (events) => {
    const items = events[Symbol.asyncIterator]()
    await firstText(items)
    events.close()
    assert.deepEqual(await items.next(), { done: true, value: undefined })
  },
  'close() while a read waits': async (events) => {
    const items = events[Symbol.asyncIterator]()
    await firstText(items)
    await items.next()
    const waiting = items.next()
    setTimeout(() => events.close(), 10)
    assert.deepEqual(await waiting, { done: true, value: undefined })
  },
  'return()': async (events) => {
    const items = events[Symbol.asyncIterator]()
    await firstText(items)
    assert.deepEqual(await items.return(), { done: true, value: undefined })
    assert.deepEqual(await items.next(), { done: true, value: undefined })
  },
  'throw()': async (events) => {
    const items = events[Symbol.asyncIterator]()
    await firstText(items)
    assert.equal((await rejection(items.throw(new Error('mine')))).message, 'mine')
  },
  'cancelling the web stream': async (events) => {
    const reader = events.toReadableStream().getReader()
    await reader.read()
    await reader.read()
    await reader.cancel('enough')
  },
  'leaving the text': async (events) => {
    for await (const piece of events.text()) if (piece !== '') break
  },
  'disposing of it': async (events) => {
    await firstText(events[Symbol.asyncIterator]())
    await events[Symbol.asyncDispose]()
  },
}

for (const [name, leave] of Object.entries(ways)) {
  test(`${name} closes the socket within 100 ms`, async (t) => {
    const { mock, router } = await start(t, STALLED)
    const events = router.stream('support_chat', 'Hi')
    await closes(mock, () => leave(events))
    assert.equal(mock.log().length, 1, 'nobody else is asked')
    assert.equal(events.attempts[0].outcome, 'cancelled')
  })
}

test('after a close the trail tells what was spent', async (t) => {
  const { router } = await start(t, { b: STALLED.a }, { primary: 'b/small', fallback: [] })
  const events = router.stream('support_chat', 'Hi')
  await firstText(events[Symbol.asyncIterator]())
  events.close()
  assert.deepEqual([events.attempts[0].outcome, events.attempts[0].usage.input], ['cancelled', 3])
})

test('an unread stream asks nothing', async (t) => {
  const { mock, router } = await start(t, STALLED)
  router.stream('support_chat', 'Hi').close()
  router.stream('support_chat', 'Hi').text()
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(mock.log().length, 0)
})

test('an aborted signal: before, while a read waits, between reads', async (t) => {
  const { mock, router } = await start(t, STALLED)
  const aborted = AbortSignal.abort()
  assert.equal(await rejection(router.stream('support_chat', 'Hi', { signal: aborted }).collect()), aborted.reason)
  assert.equal(mock.log().length, 0)

  const waiting = new AbortController()
  const reading = rejection(router.stream('support_chat', 'Hi', { signal: waiting.signal }).collect())
  await eventually(() => mock.log().length === 1 && mock.log()[0].sentChunks > 0, 'it is read')
  await closes(mock, () => waiting.abort())
  assert.equal(await reading, waiting.signal.reason)
  assert.equal(getEventListeners(waiting.signal, 'abort').length, 0)

  const between = new AbortController()
  const items = router.stream('support_chat', 'Hi', { signal: between.signal })[Symbol.asyncIterator]()
  await firstText(items)
  const reason = { mine: true }
  between.abort(reason)
  await eventually(() => mock.log()[1].closedMs !== null, 'the socket closes without a read')
  const error = await rejection(items.next())
  assert.ok(error instanceof AbortError)
  assert.deepEqual([error.name, error.reason], ['AbortError', reason])
  assert.match(error.partial.text, /^one /)
  assert.deepEqual(error.attempts.map((line) => line.outcome), ['cancelled'])
})

test('what has come already is not handed over after an abort', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: 'one two three' }] })
  const controller = new AbortController()
  const items = router.stream('support_chat', 'Hi', { signal: controller.signal })[Symbol.asyncIterator]()
  await firstText(items)
  await eventually(() => mock.log()[0].answeredMs !== null, 'all of it is sent')
  controller.abort('enough')
  const error = await rejection(items.next())
  assert.deepEqual([error.name, error.reason, error.attempts.length], ['AbortError', 'enough', 1])
  assert.deepEqual(await items.next(), { done: true, value: undefined })
})

test('an abort and a close at once end it in either order', async (t) => {
  const { mock, router } = await start(t, STALLED)
  for (const [first, last] of [['abort', 'close'], ['close', 'abort']]) {
    const controller = new AbortController()
    const events = router.stream('support_chat', 'Hi', { signal: controller.signal })
    const items = events[Symbol.asyncIterator]()
    await firstText(items)
    const waiting = items.next().then(() => items.next()).then(({ done }) => done, (error) => error.name)
    const ends = { abort: () => controller.abort(), close: () => events.close() }
    ends[first]()
    ends[last]()
    assert.ok([true, 'AbortError'].includes(await waiting))
  }
  await eventually(() => mock.log().every((entry) => entry.closedMs !== null), 'both sockets close')
})

test('a timeout of the platform is thrown as it is', async (t) => {
  const { router } = await start(t, STALLED)
  const error = await rejection(router.stream('support_chat', 'Hi', { signal: AbortSignal.timeout(50) }).collect())
  assert.equal(error.name, 'TimeoutError')
})

test('a signal that outlives many streams keeps no listener of theirs', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'Hello', times: 100 }] })
  const { signal } = new AbortController()
  for (let i = 0; i < 30; i++) await router.stream('support_chat', 'Hi', { signal }).collect()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('a reader who rests makes the provider rest', async (t) => {
  const step = { answer: { text: '' }, stream: { chunks: ['x'.repeat(16 * 1024)], repeat: 4000 } }
  const { mock, router } = await start(t, { a: [step] })
  const items = router.stream('support_chat', 'Hi')[Symbol.asyncIterator]()
  await firstText(items)
  let before = -1
  await eventually(async () => {
    const sent = mock.log()[0].sentChunks
    const rests = sent === before
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 50))
    return rests
  }, 'the provider rests')
  assert.ok(before < 2000, `${before} of 4000 pieces were taken`)
  for (let i = 0; i < 1000; i++) await firstText(items)
  assert.ok(mock.log()[0].sentChunks > before, 'and goes on with it')
  await items.return()
})

for (const held of ['', ', { signal: globalThis.controller.signal }']) {
  test(`a stream that nobody holds closes${held && ', though its signal is held'}`, async (t) => {
    const { mock } = await start(t, STALLED)
    const given = JSON.stringify(config((name) => mock.url(name)))
    const { code, stderr } = await run(`
      globalThis.controller = new AbortController()
      const { Router } = await import('locum')
      const router = new Router(${given})
      async function half() {
        const items = router.stream('support_chat', 'Hi'${held})[Symbol.asyncIterator]()
        for (;;) if ((await items.next()).value.type === 'text') return
      }
      await half()
      const log = async () => (await (await fetch('${mock.url('a').replace('/a/v1', '')}/_log')).json())[0]
      for (let i = 0; i < 200; i++) {
        globalThis.gc()
        await new Promise((resolve) => setTimeout(resolve, 10))
        if ((await log()).closed_ms !== null) process.exit(0)
      }
      process.exit(3)`, { args: undefined, env: { NODE_OPTIONS: '--expose-gc' } })
    assert.deepEqual([code, stderr], [0, ''])
  })
}

test('a process ends with streams that nobody reads, and is held by a read', async (t) => {
  const { mock } = await start(t, { a: [{ answer: 'one two', stream: { chunk_delay_ms: 150 } }, STALLED.a[0]] })
  const given = JSON.stringify(config((name) => mock.url(name)))
  const { code, stdout, stderr } = await run(`
    const { Router } = await import('locum')
    const router = new Router(${given})
    globalThis.unread = router.stream('support_chat', 'Hi')
    router.stream('support_chat', 'Hi').collect().then(async (reply) => {
      console.log(reply.text)
      globalThis.halfRead = router.stream('support_chat', 'Hi')[Symbol.asyncIterator]()
      await halfRead.next()
      await halfRead.next()
    })`)
  assert.deepEqual([code, stdout, stderr], [0, 'one two\n', ''])
  await eventually(() => mock.log()[1].closedMs !== null, 'its socket closes with it')
})

test('a worker terminated with a stream under way: its socket closes', async (t) => {
  const { mock, router } = await start(t, STALLED)
  const source = `
    const { parentPort } = require('node:worker_threads')
    const { Router } = require('node:module').createRequire(${JSON.stringify(import.meta.url)})('locum')
    const router = new Router(${JSON.stringify(config((name) => mock.url(name)))})
    const items = router.stream('support_chat', 'Hi')[Symbol.asyncIterator]()
    const read = () => items.next().then(read)
    read()
    parentPort.postMessage('reading')`
  const worker = new Worker(source, { eval: true })
  await once(worker, 'message')
  await eventually(() => mock.log()[0]?.sentChunks > 1, 'it is read')
  await worker.terminate()
  await eventually(() => mock.log()[0].closedMs !== null, 'the socket closes')
  const events = router.stream('support_chat', 'Hi')
  await firstText(events[Symbol.asyncIterator]())
  events.close()
})
