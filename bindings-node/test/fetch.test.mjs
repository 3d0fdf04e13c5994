// `router.fetch` by itself: all the forms a request may have, and how responses end.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'

import { InvalidRequestError, TimeoutError } from 'locum'

import { config, eventually, rejection, run, start } from './support.mjs'

const URL_OF_CHAT = 'http://locum/v1/chat/completions'
const STALLED = { a: [{ answer: 'one two three four', stream: { stall_after: 2 }, times: 100 }] }
const SILENT = { a: [{ silence: true, times: 100 }], b: [{ silence: true, times: 100 }] }

function chat(content, more = {}) {
  return JSON.stringify({ model: 'support_chat', messages: [{ role: 'user', content }], ...more })
}

const streamed = { method: 'POST', body: chat('Hi', { stream: true }) }

function bytesOf(text) {
  return new TextEncoder().encode(text)
}

/** A body that comes in pieces, cut inside a character. */
function inPieces(bytes) {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.slice(at, at + 7))
      controller.close()
    },
  })
}

async function readOut(reader) {
  while (!(await reader.read()).done) continue
}

const BODIES = {
  'a string': (text) => text,
  'a Uint8Array': bytesOf,
  'a view of a larger buffer': (text) => bytesOf(` ${text} `).subarray(1, -1),
  'an ArrayBuffer': (text) => bytesOf(text).buffer,
  'a Blob': (text) => new Blob([text]),
  'a ReadableStream': (text) => inPieces(bytesOf(text)),
}
for (const [name, form] of Object.entries(BODIES)) {
  test(`a body may be ${name}`, async (t) => {
    const { mock, router } = await start(t, { a: [{ answer: 'Hello', times: 2 }] })
    const direct = await router.fetch(URL_OF_CHAT, { method: 'POST', body: form(chat('Grüße 👋')) })
    assert.equal((await direct.json()).choices[0].message.content, 'Hello')
    const request = new Request(URL_OF_CHAT, { method: 'POST', body: form(chat('Grüße 👋')), duplex: 'half' })
    assert.equal((await router.fetch(request)).status, 200)
    assert.ok(request.bodyUsed)
    for (const seen of mock.log()) assert.equal(seen.body.messages[0].content, 'Grüße 👋')
  })
}

test('a form and broken text are refused in words', async (t) => {
  const { mock, router } = await start(t, {})
  const form = new FormData()
  form.append('model', 'support_chat')
  for (const body of [form, 'no JSON', new Uint8Array([0xff, 0xfe]), undefined]) {
    const response = await router.fetch(URL_OF_CHAT, { method: 'POST', body })
    assert.equal(response.status, 400)
    assert.match((await response.json()).error.message, /no JSON/)
  }
  assert.equal(mock.log().length, 0)
})

test('it needs no this, and takes addresses in all forms', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'Hello', times: 9 }] })
  const { fetch } = router
  const asked = { method: 'POST', body: chat('Hi') }
  for (const input of [URL_OF_CHAT, new URL(URL_OF_CHAT), new Request(URL_OF_CHAT), 'https://[::1]:8/any/base/chat/completions?x=`|']) {
    const response = await fetch(input, asked)
    assert.ok(response instanceof Response)
    assert.deepEqual([response.status, response.ok], [200, true])
    assert.match(response.headers.get('content-type'), /^application\/json/)
    assert.equal((await response.clone().json()).model, 'a/big')
    assert.equal(JSON.parse(await response.text()).model, 'a/big')
  }
  const models = await fetch('http://locum/v1/models')
  assert.deepEqual((await models.json()).data.map((model) => model.id), ['support_chat'])
})

test('headers in all forms, and those of a Request', async (t) => {
  const { mock, router } = await start(t, { a: [{ error: 'server_is_overloaded', times: 9 }] })
  const pair = ['X-Locum-Fallback', 'false']
  for (const headers of [{ [pair[0]]: pair[1] }, [pair], new Headers([pair])]) {
    assert.equal((await router.fetch(URL_OF_CHAT, { method: 'POST', headers, body: chat('Hi') })).status, 503)
    const request = new Request(URL_OF_CHAT, { method: 'POST', headers, body: chat('Hi') })
    assert.equal((await router.fetch(request)).status, 503)
  }
  assert.ok(mock.log().every((seen) => seen.upstream === 'a'))
  const odd = await router.fetch(URL_OF_CHAT, { method: 'POST', headers: { 'x-locum-customer': 'Zoë' }, body: chat('Hi') })
  assert.equal(odd.status, 400)
})

test('what fetch refuses is a TypeError, and nothing is sent', async (t) => {
  const { mock, router } = await start(t, {})
  const wrong = [
    ['/v1/chat/completions', { method: 'POST', body: chat('Hi') }],
    [URL_OF_CHAT, { body: chat('Hi') }],
    [URL_OF_CHAT, { method: 'POST', headers: { 'a b': 'c' }, body: chat('Hi') }],
    [URL_OF_CHAT, { method: 'POST', signal: {}, body: chat('Hi') }],
    [URL_OF_CHAT, { method: 'POST', body: new ReadableStream({ pull: (controller) => controller.enqueue(3) }) }],
  ]
  for (const [input, init] of wrong) assert.ok((await rejection(router.fetch(input, init))) instanceof TypeError, JSON.stringify(init))
  assert.ok((await rejection(router.fetch('data:text/plain,x'))) instanceof InvalidRequestError)
  assert.equal(mock.log().length, 0)
})

test('a stream is bytes, read only when it is read', async (t) => {
  const step = { answer: { text: '' }, stream: { chunks: ['x'.repeat(16 * 1024)], repeat: 2000 } }
  const { mock, router } = await start(t, { a: [step] })
  const response = await router.fetch(URL_OF_CHAT, streamed)
  assert.match(response.headers.get('content-type'), /^text\/event-stream/)
  const reader = response.body.getReader()
  assert.ok((await reader.read()).value instanceof Uint8Array)
  let before = -1
  await eventually(async () => {
    const sent = mock.log()[0].sentChunks
    const rests = sent === before
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 50))
    return rests
  }, 'the provider rests')
  assert.ok(before < 1500, `${before} of 2000 pieces were taken`)
  await reader.cancel()
})

test('a reader with a buffer of its own', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'one two three' }] })
  const reader = (await router.fetch(URL_OF_CHAT, streamed)).body.getReader({ mode: 'byob' })
  let text = ''
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(11))
    if (done) break
    text += new TextDecoder().decode(value)
  }
  assert.match(text, /^data: .*"one ".*"two ".*"three".*data: \[DONE\]\n\n$/s)
})

test('an abort before, with the reason of the caller', async (t) => {
  const { mock, router } = await start(t, SILENT)
  for (const reason of [undefined, 'mine', { mine: true }]) {
    const signal = AbortSignal.abort(reason)
    assert.equal(await rejection(router.fetch(URL_OF_CHAT, { ...streamed, signal })), signal.reason)
    assert.equal(await rejection(router.fetch(new Request(URL_OF_CHAT, { ...streamed, signal }))), signal.reason)
  }
  assert.equal(mock.log().length, 0)
})

const SIGNALS = {
  'of init': (signal) => [URL_OF_CHAT, { ...streamed, signal }],
  'of a Request': (signal) => [new Request(URL_OF_CHAT, { ...streamed, signal })],
}
for (const [name, form] of Object.entries(SIGNALS)) {
  test(`an abort while nobody answers, by the signal ${name}`, async (t) => {
    const { mock, router } = await start(t, SILENT)
    const controller = new AbortController()
    const call = rejection(router.fetch(...form(controller.signal)))
    await eventually(() => mock.log().length === 1, 'the request arrives')
    const begin = performance.now()
    controller.abort()
    assert.equal(await call, controller.signal.reason)
    await eventually(() => mock.log()[0].closedMs !== null, 'the socket closes')
    assert.ok(performance.now() - begin < 100, 'the socket closes at once')
  })

  test(`an abort of a stream, while it is read and between reads, by the signal ${name}`, async (t) => {
    const { mock, router } = await start(t, STALLED)
    for (const [n, waits] of [true, false].entries()) {
      const controller = new AbortController()
      const reader = (await router.fetch(...form(controller.signal))).body.getReader()
      const ended = rejection(waits ? readOut(reader) : reader.closed)
      await eventually(() => mock.log()[n]?.sentChunks === 2, 'it is answered')
      const begin = performance.now()
      controller.abort()
      assert.equal(await ended, controller.signal.reason)
      assert.equal(await rejection(reader.read()), controller.signal.reason)
      await eventually(() => mock.log()[n].closedMs !== null, 'the socket closes')
      assert.ok(performance.now() - begin < 100, 'the socket closes at once')
    }
  })
}

test('an abort while the body of the request is still to come', async (t) => {
  const { mock, router } = await start(t, SILENT)
  const controller = new AbortController()
  let told
  const body = new ReadableStream({ cancel: (reason) => (told = reason) })
  const call = rejection(router.fetch(URL_OF_CHAT, { method: 'POST', body, signal: controller.signal }))
  controller.abort()
  assert.equal(await call, controller.signal.reason)
  assert.equal(told, controller.signal.reason)
  assert.equal(mock.log().length, 0)
})

test('cancelling the body closes the socket, while it is read and between reads', async (t) => {
  const { mock, router } = await start(t, STALLED)
  for (const [n, waits] of [true, false].entries()) {
    const reader = (await router.fetch(URL_OF_CHAT, streamed)).body.getReader()
    await reader.read()
    const ends = waits && readOut(reader)
    await eventually(() => mock.log()[n].sentChunks === 2, 'it is answered')
    const begin = performance.now()
    await reader.cancel('enough')
    await ends
    await eventually(() => mock.log()[n].closedMs !== null, 'the socket closes')
    assert.ok(performance.now() - begin < 100, 'the socket closes at once')
  }
})

test('no listener stays with a signal, however a response ends', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'Hello', times: 3 }, { status: 400 }] })
  const { signal } = new AbortController()
  await (await router.fetch(URL_OF_CHAT, { ...streamed, signal })).text()
  await router.fetch(URL_OF_CHAT, { method: 'POST', body: chat('Hi'), signal })
  await (await router.fetch(URL_OF_CHAT, { ...streamed, signal })).body.cancel()
  assert.equal((await router.fetch(URL_OF_CHAT, { ...streamed, signal })).status, 400)
  await rejection(router.fetch(URL_OF_CHAT, { method: 'POST', body: inPieces(bytesOf('x')), signal, headers: { 'a b': 'c' } }))
  assert.equal((await router.fetch(URL_OF_CHAT, { method: 'POST', body: inPieces(bytesOf('x')), signal })).status, 400)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('what is over time is rejected with, with its trail', async (t) => {
  const { router } = await start(t, SILENT)
  for (const body of [chat('Hi'), streamed.body]) {
    const error = await rejection(router.fetch(URL_OF_CHAT, { method: 'POST', headers: { 'x-locum-timeout-ms': '200' }, body }))
    assert.ok(error instanceof TimeoutError)
    assert.deepEqual([error.name, error.kind], ['TimeoutError', 'deadline_exceeded'])
    assert.match(error.trail(), /a\/big/)
    assert.match(error.stack, /fetch\.test\.mjs/)
  }
})

for (const held of ['', ', signal: globalThis.controller.signal']) {
  test(`a response that nobody holds closes${held && ', though its signal is held'}`, async (t) => {
    const { mock } = await start(t, STALLED)
    const given = JSON.stringify(config((name) => mock.url(name)))
    const { code, stderr } = await run(`
      globalThis.controller = new AbortController()
      const { Router } = await import('locum')
      const router = new Router(${given})
      await (async () => router.fetch('${URL_OF_CHAT}', { method: 'POST', body: ${JSON.stringify(streamed.body)}${held} }))()
      const log = async () => (await (await fetch('${mock.url('a').replace('/a/v1', '')}/_log')).json())[0]
      for (let i = 0; i < 200; i++) {
        globalThis.gc()
        await new Promise((resolve) => setTimeout(resolve, 10))
        if ((await log()).closed_ms !== null) process.exit(0)
      }
      process.exit(3)`, { env: { NODE_OPTIONS: '--expose-gc' } })
    assert.deepEqual([code, stderr], [0, ''])
  })
}

test('a process ends with responses that nobody reads, and is held by a request and by a read', async (t) => {
  const { mock } = await start(t, { a: [{ answer: 'one two', delay_ms: 150, stream: { chunk_delay_ms: 150 } }, STALLED.a[0]] })
  const given = JSON.stringify(config((name) => mock.url(name)))
  const { code, stdout, stderr } = await run(`
    const { Router } = await import('locum')
    const { fetch } = new Router(${given})
    const ask = () => fetch('${URL_OF_CHAT}', { method: 'POST', body: ${JSON.stringify(streamed.body)} })
    ask().then(async (response) => {
      console.log((await response.text()).endsWith('[DONE]\\n\\n'))
      globalThis.unread = await ask()
    })`)
  assert.deepEqual([code, stdout, stderr], [0, 'true\n', ''])
  await eventually(() => mock.log()[1].closedMs !== null, 'its socket closes with it')
})

test('the function of the module uses the default configuration', async (t) => {
  const { mock } = await start(t, { a: [{ answer: 'Hello' }] })
  const given = config((name) => mock.url(name))
  given.providers.a.apiKey = 'env:KEY_A'
  given.providers.b.apiKey = 'env:KEY_A'
  const source = `
    import { mkdtempSync, writeFileSync } from 'node:fs'
    import { tmpdir } from 'node:os'
    import { fetch } from 'locum'
    process.env.LOCUM_CONFIG = mkdtempSync(tmpdir() + '/locum-') + '/locum.json'
    writeFileSync(process.env.LOCUM_CONFIG, process.env.GIVEN)
    const response = await fetch('${URL_OF_CHAT}', { method: 'POST', body: process.env.ASKED })
    console.log((await response.json()).choices[0].message.content)`
  const env = { GIVEN: JSON.stringify(given), ASKED: chat('Hi'), KEY_A: 'sk-a' }
  const { stdout, stderr } = await run(source, { env })
  assert.deepEqual([stdout, stderr], ['Hello\n', ''])
})
