// Worker threads: each has its own routers, and may end at any moment.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

import { config, eventually, run, start } from './support.mjs'

/** A worker with a router of its own, as `router`. */
function worker(url, body) {
  const source = `
    import { parentPort } from 'node:worker_threads'
    import { Router } from 'locum'
    const router = new Router(${JSON.stringify(config(url))})
    ${body}`
  // A data: URL has no package scope; the file of the tests has.
  const loader = `import { createRequire } from 'node:module'; const require = createRequire(${JSON.stringify(import.meta.url)});`
  const code = loader + source.replace("import { Router } from 'locum'", "const { Router } = require('locum')")
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`))
}

test('several workers and the main thread at once', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: 'Hello', times: 1000 }] })
  const url = (name) => mock.url(name)
  const body = `
    const calls = Array.from({ length: 20 }, () => router.complete('support_chat', 'Hi'))
    parentPort.postMessage((await Promise.all(calls)).map((reply) => reply.text).join())`
  const workers = Array.from({ length: 4 }, () => worker(url, body))
  const ends = workers.map((each) => once(each, 'exit'))
  const texts = await Promise.all(workers.map(async (each) => (await once(each, 'message'))[0]))
  const own = await Promise.all(Array.from({ length: 20 }, () => router.complete('support_chat', 'Hi')))
  for (const text of texts) assert.equal(text, own.map((reply) => reply.text).join())
  for (const [code] of await Promise.all(ends)) assert.equal(code, 0, 'each ends by itself')
  assert.equal(mock.log().length, 100)
})

test('a worker terminated with calls under way: sockets close, the others go on', async (t) => {
  const { mock, router } = await start(t, { a: [{ silence: true, times: 10 }, { answer: 'Hello' }] })
  const body = `
    for (let i = 0; i < 10; i++) router.complete('support_chat', 'Hi', { model: 'a/big' }).catch(() => {})
    parentPort.postMessage('started')`
  const each = worker((name) => mock.url(name), body)
  await once(each, 'message')
  await eventually(() => mock.log().length === 10, 'all requests arrive')
  await each.terminate()
  await eventually(() => mock.log().every((entry) => entry.closedMs !== null), 'all sockets close')
  assert.equal((await router.complete('support_chat', 'Hi')).text, 'Hello')
})

test('workers that come and go while nobody else has the addon loaded', async (t) => {
  const { mock } = await start(t, { a: [{ delay_ms: 3, answer: 'Hello', times: 100_000 }] })
  const given = JSON.stringify(config((name) => mock.url(name)))
  const here = JSON.stringify(import.meta.url)
  // Terminated at moments that differ: before the addon is loaded, during calls, after them.
  const { code, stderr, stdout } = await run(`(async () => {
    const { Worker } = require('node:worker_threads')
    const body = \`
      const { Router } = require('node:module').createRequire(${here})('locum')
      const router = new Router(${given})
      for (let i = 0; i < 50; i++) router.complete('support_chat', 'Hi').catch(() => {})\`
    for (let i = 0; i < 40; i++) {
      const worker = new Worker(body, { eval: true })
      await new Promise((resolve) => setTimeout(resolve, 10 + i * 2))
      await worker.terminate()
    }
    console.log('survived')
  })()`, { type: 'commonjs' })
  assert.equal(code, 0, stderr)
  assert.equal(stdout, 'survived\n')
})
