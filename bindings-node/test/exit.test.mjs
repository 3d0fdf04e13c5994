// When a process ends: never held up by an idle router, never before a call is done, never with a crash.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { config, eventually, run, start } from './support.mjs'

/** A process with `router` over the mock's providers. */
async function child(t, script, body) {
  const { mock } = await start(t, script)
  const given = JSON.stringify(config((name) => mock.url(name)))
  const ended = run(`import { Router } from 'locum'\nconst router = new Router(${given})\n${body}`)
  return { mock, ended }
}

function clean({ code, stderr, signal }, expected = 0) {
  assert.equal(signal, null)
  assert.equal(stderr, '')
  assert.equal(code, expected)
}

test('an idle router does not keep the process alive', async (t) => {
  const { ended } = await child(t, {}, 'globalThis.kept = router')
  clean(await ended)
})

test('kept-alive connections do not keep the process alive', async (t) => {
  const { ended } = await child(
    t,
    { a: [{ answer: 'Hello', times: 10 }] },
    `await Promise.all(Array.from({ length: 10 }, () => router.complete('support_chat', 'Hi')))
     console.log(Date.now())
     process.on('exit', () => console.log(Date.now()))`,
  )
  const result = await ended
  clean(result)
  const [done, exit] = result.stdout.trim().split('\n').map(Number)
  assert.ok(exit - done < 500, `it took ${exit - done} ms`)
})

test('a mock does not keep the process alive', async () => {
  clean(await run(`import { Mock } from 'locum/testing'\nglobalThis.mock = await Mock.start({ a: [] })`))
})

test('a call under way does', async (t) => {
  const { ended } = await child(
    t,
    { a: [{ delay_ms: 300, answer: 'Hello' }] },
    `router.complete('support_chat', 'Hi').then((reply) => console.log(reply.text))`,
  )
  const result = await ended
  clean(result)
  assert.equal(result.stdout, 'Hello\n')
})

test('process.exit with calls under way is clean', async (t) => {
  const { mock, ended } = await child(
    t,
    { a: [{ silence: true, times: 200 }] },
    `for (let i = 0; i < 200; i++) router.complete('support_chat', 'Hi', { model: 'a/big' }).catch(() => {})
     setTimeout(() => process.exit(7), 150)`,
  )
  clean(await ended, 7)
  await eventually(() => mock.log().every((entry) => entry.closedMs !== null), 'all sockets close')
})

test('process.exit at the moment when answers come is clean', async (t) => {
  for (const ms of [0, 1, 5, 20, 40, 60]) {
    const { ended } = await child(
      t,
      { a: [{ delay_ms: 2, answer: 'Hello', times: 100_000 }] },
      `const go = () => router.complete('support_chat', 'Hi').then(go, () => {})
       for (let i = 0; i < 50; i++) go()
       setTimeout(() => process.exit(3), ${ms})`,
    )
    clean(await ended, 3)
  }
})

test('the process ends by itself after an abort', async (t) => {
  const { ended } = await child(
    t,
    { a: [{ silence: true, times: 10 }] },
    `const controller = new AbortController()
     for (let i = 0; i < 10; i++) {
       router.complete('support_chat', 'Hi', { signal: controller.signal }).catch((error) => console.log(error.name))
     }
     setTimeout(() => controller.abort(), 100)`,
  )
  const result = await ended
  clean(result)
  assert.equal(result.stdout, 'AbortError\n'.repeat(10))
})

test('an exception of the application with calls under way is reported as ever', async (t) => {
  const { ended } = await child(
    t,
    { a: [{ silence: true }] },
    `router.complete('support_chat', 'Hi').catch(() => {})
     setTimeout(() => { throw new Error('from the application') }, 50)`,
  )
  const { code, stderr, signal } = await ended
  assert.equal(signal, null)
  assert.equal(code, 1)
  assert.match(stderr, /from the application/)
})

test('a router starts no thread before its first call', async (t) => {
  if (process.platform !== 'linux') return t.skip('threads are counted in /proc')
  const { ended } = await child(
    t,
    { a: [{ answer: 'Hello' }] },
    `import { readFileSync, readdirSync } from 'node:fs'
     const threads = () => readdirSync('/proc/self/task').map((id) => readFileSync('/proc/self/task/' + id + '/comm', 'utf8'))
     const ours = () => threads().filter((name) => name.startsWith('locum')).length
     const before = ours()
     await router.complete('support_chat', 'Hi')
     console.log(before, ours() > 0)`,
  )
  const result = await ended
  clean(result)
  assert.equal(result.stdout, '0 true\n')
})
