// Router events, health and explanations, as far as they are Node's own: threads, the event loop, what listeners throw.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LocumError, Router } from 'locum'

import { config, eventually, run, start } from './support.mjs'

const DOWN = { a: [{ status: 500 }] }

async function watched(t, script, task) {
  const { mock, router } = await start(t, script, task)
  const told = []
  const takeBack = router.onEvent((event) => told.push(event))
  return { mock, router, told, takeBack }
}

/** The messages of the process's warnings from now on, until the test ends. */
function warningsOf(t) {
  const warnings = []
  const warned = (warning) => warnings.push(warning.message)
  process.on('warning', warned)
  t.after(() => process.off('warning', warned))
  return warnings
}

test('events come while the call runs', async (t) => {
  const { router, told } = await watched(t, { a: [{ silence: true }] }, { fallback: [] })
  const controller = new AbortController()
  const call = router.complete('support_chat', 'Hi', { signal: controller.signal })
  await eventually(() => told.length > 0, 'an event')
  assert.equal(told[0].type, 'attempt_started')
  assert.equal(told[0].model, 'a/big')
  controller.abort()
  await assert.rejects(call)
})

test('events of a call come in order, and before its reply', async (t) => {
  const { router, told } = await watched(t, DOWN)
  for (const number of [1, 2]) {
    told.length = 0
    await router.complete('support_chat', 'Hi')
    assert.deepEqual(
      told.map((event) => event.type),
      ['attempt_started', 'attempt_failed', 'switched', 'attempt_started', 'attempt_answered', 'call_ended'],
    )
    assert.deepEqual(new Set(told.map((event) => event.call)), new Set([number]))
  }
  assert.equal(told[1].kind, 'server_error')
  assert.equal(told[2].from, 'a/big')
  assert.ok(told[4].latencyMs > 0 && told[4].atMs > 1.7e12)
})

test('streams have events too', async (t) => {
  const { router, told } = await watched(t, {})
  await router.stream('support_chat', 'Hi').collect()
  assert.equal(told.at(-1).type, 'call_ended')
})

test('who is taken back hears no more', async (t) => {
  const { router, told, takeBack } = await watched(t, {})
  const other = []
  router.onEvent((event) => other.push(event))
  await router.complete('support_chat', 'Hi')
  const heard = told.length
  assert.ok(heard > 0)
  takeBack()
  takeBack()
  await router.complete('support_chat', 'Hi')
  assert.equal(told.length, heard)
  assert.equal(other.length, 2 * heard)
})

test('what a listener throws ends no call and keeps nothing from others', async (t) => {
  const { router, told } = await watched(t, {})
  router.onEvent(() => {
    throw new Error('the own trouble of the listener')
  })
  const warnings = warningsOf(t)
  const after = []
  router.onEvent((event) => after.push(event))
  await router.complete('support_chat', 'Hi')
  assert.equal(after.length, told.length)
  await eventually(() => warnings.length === told.length, 'warnings')
  assert.ok(warnings.every((text) => text.includes('the own trouble of the listener')))
  assert.throws(() => router.onEvent('no function'), TypeError)
})

test('what cannot even be shown ends no call either', async (t) => {
  const { router, told } = await watched(t, {})
  const warnings = warningsOf(t)
  const unshown = Object.defineProperty(new Error('unshown'), 'stack', {
    get() {
      throw new Error('no stack')
    },
  })
  for (const thrown of [Object.create(null), unshown]) {
    told.length = 0
    const takeBack = router.onEvent(() => {
      throw thrown
    })
    const after = []
    const takeBackAfter = router.onEvent((event) => after.push(event))
    await router.complete('support_chat', 'Hi', { signal: AbortSignal.timeout(5000) })
    assert.deepEqual([told.length, after.length], [3, 3])
    takeBack()
    takeBackAfter()
  }
  await eventually(() => warnings.length === 6, 'warnings')
  assert.ok(warnings.at(-1).endsWith('something that cannot be shown'))
})

test('who is taken back by another listener hears not even the event that is being told', async (t) => {
  const { router } = await start(t, {})
  const heard = []
  let takeBack = () => {}
  router.onEvent(() => takeBack())
  takeBack = router.onEvent((event) => heard.push(event))
  await router.complete('support_chat', 'Hi')
  assert.deepEqual(heard, [])
})

test('events that nobody takes in time are dropped, and one warning tells how many', async (t) => {
  const { mock } = await start(t, {})
  const limited = config((name) => mock.url(name))
  for (const provider of Object.values(limited.providers)) provider.maxConcurrency = 8
  const router = new Router({ ...limited, state: 'router' })
  const warnings = warningsOf(t)
  let heard = 0
  router.onEvent(() => (heard += 1))
  // Each has three events, and this thread takes none before all have been served.
  const calls = Array.from({ length: 3400 }, () => router.complete('support_chat', 'Hi'))
  const begin = performance.now()
  const cell = new Int32Array(new SharedArrayBuffer(4))
  while (mock.log().length < calls.length) {
    assert.ok(performance.now() - begin < 60_000, `only ${mock.log().length} calls were served`)
    Atomics.wait(cell, 0, 0, 100)
  }
  await Promise.all(calls)
  await eventually(() => warnings.length > 0, 'a warning')
  const dropped = warnings.map((text) => Number(/^(\d+) router events were dropped/.exec(text)?.[1]))
  assert.deepEqual(dropped, [3 * calls.length - heard])
})

test('a listener keeps no process alive, and works in a worker', async (t) => {
  const { mock } = await start(t, {})
  const configuration = JSON.stringify(config((name) => mock.url(name)))
  const body = `
    const { Router } = require('locum')
    const router = new Router(${configuration})
    const told = []
    router.onEvent((event) => told.push(event.type))
    router.complete('support_chat', 'Hi').then(() => console.log(told.join(' ')))`
  const plain = await run(body, { type: 'commonjs' })
  assert.deepEqual([plain.code, plain.stdout.trim()], [0, 'attempt_started attempt_answered call_ended'])
  const worker = await run(`new (require('node:worker_threads').Worker)(${JSON.stringify(body)}, { eval: true })`, {
    type: 'commonjs',
  })
  assert.deepEqual([worker.code, worker.stdout.trim()], [0, 'attempt_started attempt_answered call_ended'])
})

test('health is shared by routers of the process unless they say otherwise', async (t) => {
  const { mock, router } = await start(t, DOWN)
  for (let i = 0; i < 3; i++) await router.complete('support_chat', 'Hi')
  const plain = config((name) => mock.url(name))
  const [other, own] = [new Router(plain), new Router({ ...plain, state: 'router' })]
  const of = (one, model) => one.health().find((candidate) => candidate.model === model)
  assert.equal(of(other, 'a/big').breaker, 'open')
  assert.equal(of(other, 'a/big').available, false)
  assert.equal(of(other, 'a/big').lastError.kind, 'server_error')
  assert.equal(of(other, 'b/small').latencyMs.samples, 3)
  assert.equal(of(own, 'a/big').breaker, 'closed')
  assert.throws(() => other.resetHealth(5), TypeError)
  other.resetHealth('a/big')
  assert.equal(of(router, 'a/big').breaker, 'closed')
})

test('an explanation sends nothing', async (t) => {
  const { mock, router } = await start(t, {}, { maxLatencyMs: 8000 })
  const explanation = router.explain('support_chat', 'Hi', { timeoutMs: 4000 })
  assert.deepEqual([explanation.deadlineMs, explanation.worstCaseMs, explanation.handedTo], [4000, 4000, null])
  assert.deepEqual(
    explanation.candidates.map((candidate) => [candidate.model, candidate.kept, candidate.startsMs]),
    [
      ['a/big', true, 0],
      ['b/small', true, 2000],
    ],
  )
  assert.equal(mock.log().length, 0)
  assert.throws(() => router.explain('suport_chat', 'Hi'), (error) => error instanceof LocumError && error.kind === 'config')
  assert.throws(() => router.explain('support_chat', []), (error) => error.kind === 'invalid_request')
})
