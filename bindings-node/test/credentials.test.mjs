// Callbacks that give credentials: what a program's own code may do, and when its thread ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ConfigError, LocumError, Router } from 'locum'
import { Mock } from 'locum/testing'

import { rejection, run } from './support.mjs'

const TOKEN = 'token-node-do-not-print'

async function start(t) {
  const mock = await Mock.start({ a: { key: TOKEN, steps: [{ answer: 'Come in' }] } })
  t.after(() => mock.close())
  return {
    providers: { a: { kind: 'openai', baseUrl: mock.url('a'), auth: 'callback' } },
    tasks: { chat: { primary: 'a/model', retries: 0 } },
    state: 'router',
  }
}

const later = new Date(Date.now() + 3_600_000)
for (const [name, callback] of Object.entries({
  'a string': () => TOKEN,
  'a promise of a string': async () => TOKEN,
  'an object with a date': () => ({ token: TOKEN, expiresAt: later }),
  'an object with seconds': async () => ({ token: TOKEN, expiresAt: later.getTime() / 1000 }),
  'a thenable': () => ({ then: (resolve) => setTimeout(resolve, 1, TOKEN) }),
})) {
  test(`a callback gives ${name}`, async (t) => {
    const config = await start(t)
    let asked = 0
    const router = new Router(config, {
      credentials: {
        a: () => {
          asked += 1
          return callback()
        },
      },
    })
    const replies = await Promise.all([1, 2, 3].map(() => router.complete('chat', 'Hi')))
    assert.deepEqual(
      replies.map((reply) => reply.text),
      ['Come in', 'Come in', 'Come in'],
    )
    assert.equal(await router.stream('chat', 'Hi').collect().then((reply) => reply.text), 'Come in')
    assert.equal(asked, 1)
  })
}

for (const [callback, said] of [
  [() => { throw new RangeError(TOKEN) }, 'the credential callback threw RangeError'],
  [() => Promise.reject(TOKEN), 'the credential callback threw what is no Error'],
  [() => ({ token: 1n }), 'the credential callback threw TypeError'],
  [() => undefined, 'the credential callback gave what is no data'],
  [() => null, 'the credential callback gave neither a string nor an object'],
]) {
  test(said, async (t) => {
    const router = new Router(await start(t), { credentials: { a: callback } })
    const error = await rejection(router.complete('chat', 'Hi'))
    assert.ok(error instanceof LocumError)
    assert.ok(error.message.includes(said), error.message)
    assert.ok(!error.message.includes(TOKEN))
  })
}

test('what is no callback is refused', async (t) => {
  const config = await start(t)
  assert.throws(() => new Router(config, { credentials: { a: TOKEN } }), /^TypeError: credentials\.a: expected a function$/)
  assert.throws(() => new Router(config, { credentials: 1 }), /^TypeError: credentials: expected an object$/)
  assert.throws(() => new Router(config, { credentials: { b: () => TOKEN } }), ConfigError)
})

test('a callback that hangs is given up, and holds nobody up', async (t) => {
  const config = await start(t)
  config.tasks.chat.maxLatencyMs = 200
  const router = new Router(config, { credentials: { a: () => new Promise(() => {}) } })
  const error = await rejection(router.complete('chat', 'Hi'))
  assert.ok(['timeout', 'deadline_exceeded'].includes(error.kind), error.kind)
})

test('a router with callbacks does not keep the process alive, a call does', async (t) => {
  const config = JSON.stringify(await start(t))
  const ended = await run(`
    import { Router } from 'locum'
    const give = () => new Promise((resolve) => setTimeout(resolve, 50, '${TOKEN}').unref())
    const router = new Router(${config}, { credentials: { a: give } })
    router.complete('chat', 'Hi').then((reply) => console.log(reply.text))`)
  assert.deepEqual([ended.code, ended.signal, ended.stderr, ended.stdout], [0, null, '', 'Come in\n'])
})

test('a worker that ends while a callback is asked ends cleanly', async (t) => {
  const config = JSON.stringify(await start(t))
  const ended = await run(`
    import { Worker } from 'node:worker_threads'
    const code = \`
      import { parentPort } from 'node:worker_threads'
      import { Router } from 'locum'
      const give = () => { parentPort.postMessage('asked'); return new Promise(() => {}) }
      new Router(${config}, { credentials: { a: give } }).complete('chat', 'Hi').catch(() => {})
    \`
    const worker = new Worker(code, { eval: true })
    worker.once('message', async () => console.log(await worker.terminate()))`)
  assert.deepEqual([ended.code, ended.signal, ended.stderr, ended.stdout], [0, null, '', '1\n'])
})
