// Cancelling: what is thrown, and that the connection is closed at once.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'

import { AbortError, LocumError } from 'locum'

import { eventually, rejection, start } from './support.mjs'

const SILENT = { a: [{ silence: true, times: 100 }], b: [{ silence: true, times: 100 }] }

test('an aborted call closes its socket within 100 ms', async (t) => {
  const { mock, router } = await start(t, SILENT)
  const controller = new AbortController()
  const call = rejection(router.complete('support_chat', 'Hi', { signal: controller.signal }))
  await eventually(() => mock.log().length === 1, 'the request arrives')
  await new Promise((resolve) => setTimeout(resolve, 50))
  // The mock's clock and ours differ by a constant: both are read around the same moment.
  const arrived = mock.log()[0].atMs
  const begin = performance.now()
  controller.abort()
  assert.equal((await call).name, 'AbortError')
  assert.ok(performance.now() - begin < 100, 'the promise settles at once')
  const seen = await eventually(() => mock.log().find((entry) => entry.closedMs !== null), 'the socket closes')
  assert.ok(performance.now() - begin < 100, 'the socket closes at once')
  assert.ok(seen.closedMs - arrived >= 50, 'and not before the abort')
  assert.equal(mock.log().length, 1, 'nobody else is asked')
})

test('a signal that is aborted already: nothing is sent', async (t) => {
  const { mock, router } = await start(t, SILENT)
  const signal = AbortSignal.abort()
  assert.equal(await rejection(router.complete('support_chat', 'Hi', { signal })), signal.reason)
  const reason = { mine: true }
  const error = await rejection(router.complete('support_chat', 'Hi', { signal: AbortSignal.abort(reason) }))
  assert.equal(error.name, 'AbortError')
  assert.equal(error.reason, reason)
  assert.equal(mock.log().length, 0)
})

test('the reason of the platform is thrown as it is', async (t) => {
  const { router } = await start(t, SILENT)
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 20)
  const error = await rejection(router.complete('support_chat', 'Hi', { signal: controller.signal }))
  assert.ok(error instanceof DOMException)
  assert.equal(error, controller.signal.reason)
  assert.equal(error.name, 'AbortError')
  const late = await rejection(router.complete('support_chat', 'Hi', { signal: AbortSignal.timeout(20) }))
  assert.equal(late.name, 'TimeoutError')
})

test('a reason of the caller becomes the cause of an AbortError with the trail', async (t) => {
  const { router } = await start(t, { ...SILENT, a: [{ error: 'server_is_overloaded' }] })
  const controller = new AbortController()
  const reason = new Error('the user left')
  setTimeout(() => controller.abort(reason), 100)
  const error = await rejection(router.complete('support_chat', 'Hi', { signal: controller.signal }))
  assert.ok(error instanceof AbortError && error instanceof LocumError)
  assert.equal(error.name, 'AbortError')
  assert.equal(error.code, 'cancelled')
  assert.equal(error.retryable, false)
  assert.equal(error.cause, reason)
  assert.equal(error.reason, reason)
  assert.deepEqual(error.attempts.map((line) => [line.model, line.outcome]), [['a/big', 'failed'], ['b/small', 'cancelled']])
  assert.match(error.trail(), /b\/small +cancelled/)
})

for (const reason of ['text', 0, null, Symbol('s')]) {
  test(`any reason is kept: ${String(reason)}`, async (t) => {
    const { router } = await start(t, SILENT)
    const controller = new AbortController()
    const call = rejection(router.complete('support_chat', 'Hi', { signal: controller.signal }))
    controller.abort(reason)
    const error = await call
    assert.equal(error.name, 'AbortError')
    assert.equal(error.reason, reason)
    assert.equal(error.cause, reason)
  })
}

test('the listener is removed, however the call ends', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'Hello' }, { status: 400 }], b: [] })
  const controller = new AbortController()
  const { signal } = controller
  await router.complete('support_chat', 'Hi', { signal })
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await rejection(router.complete('support_chat', 'Hi', { signal }))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await rejection(router.complete('unknown_task', 'Hi', { signal }))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await rejection(router.complete('support_chat', 1n, { signal }))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('one signal ends many calls, and the router serves on', async (t) => {
  const { mock, router } = await start(t, { a: [{ silence: true, times: 50 }, { answer: 'Hello' }], b: [] })
  const controller = new AbortController()
  const { signal } = controller
  const calls = Array.from({ length: 50 }, () => rejection(router.complete('support_chat', 'Hi', { signal, model: 'a/big' })))
  await eventually(() => mock.log().length === 50, 'all requests arrive')
  controller.abort()
  for (const error of await Promise.all(calls)) assert.equal(error, signal.reason)
  await eventually(() => mock.log().every((entry) => entry.closedMs !== null), 'all sockets close')
  assert.equal((await router.complete('support_chat', 'Hi')).text, 'Hello')
})

test('aborting after the answer changes nothing', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'Hello', times: 2 }] })
  const controller = new AbortController()
  const reply = await router.complete('support_chat', 'Hi', { signal: controller.signal })
  controller.abort()
  assert.equal(reply.text, 'Hello')
  assert.equal((await router.complete('support_chat', 'Hi', { signal: null })).text, 'Hello')
})

test('a time limit of the task is a TimeoutError of ours', async (t) => {
  const { router } = await start(t, SILENT)
  const error = await rejection(router.complete('support_chat', 'Hi', { timeoutMs: 60 }))
  assert.ok(error instanceof LocumError)
  assert.equal(error.name, 'TimeoutError')
  assert.equal(error.kind, 'deadline_exceeded')
})

test('a signal may be shared by many calls: one listener, no warning, and all of them are cancelled', async (t) => {
  const { mock, router } = await start(t, SILENT)
  const controller = new AbortController()
  const { signal } = controller
  const calls = Array.from({ length: 30 }, () => rejection(router.complete('support_chat', 'Hi', { signal })))
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  await eventually(() => mock.log().length === 30, 'the requests arrive')
  controller.abort()
  for (const error of await Promise.all(calls)) assert.equal(error, signal.reason)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await eventually(() => mock.log().every((entry) => entry.closedMs !== null), 'the sockets close')
})

test('what is no signal is refused before anything is sent', async (t) => {
  const { mock, router } = await start(t, SILENT)
  for (const signal of [{}, 'x', 3, new AbortController()]) {
    const error = await rejection(router.complete('support_chat', 'Hi', { signal }))
    assert.equal(error.message, 'support_chat: invalid_request: signal: expected an AbortSignal')
  }
  assert.equal(mock.log().length, 0)
})

test('a call that is done leaves the others of its signal cancellable', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: 'Hello', delay_ms: 100 }, { silence: true }], b: [{ silence: true }] })
  const controller = new AbortController()
  const { signal } = controller
  const first = router.complete('support_chat', 'Hi', { signal })
  await eventually(() => mock.log().length === 1, 'the first request arrives')
  const second = rejection(router.complete('support_chat', 'Hi', { signal }))
  assert.equal((await first).text, 'Hello')
  await eventually(() => mock.log().length === 2, 'the second request arrives')
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  controller.abort()
  assert.equal(await second, signal.reason)
})
