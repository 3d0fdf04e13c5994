// Traces that reach a collector, and those that a program has itself.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'

import { InvalidRequestError, Router } from 'locum'

import { config, eventually, rejection, start } from './support.mjs'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const API = Symbol.for('opentelemetry.js.api.1')
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN')

/** A collector that keeps the bodies it is sent. */
async function collector(t) {
  const bodies = []
  const server = createServer((request, response) => {
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      bodies.push({ path: request.url, body: Buffer.concat(parts) })
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return { bodies, url: `http://127.0.0.1:${server.address().port}` }
}

async function telling(t, script) {
  const { mock } = await start(t, script)
  const { bodies, url } = await collector(t)
  const accounting = { otlp: { endpoint: url, serviceName: 'shop', metrics: false, timeoutMs: 5000 } }
  const router = new Router({ ...config((name) => mock.url(name)), state: 'router', accounting })
  return { router, bodies }
}

/** What OpenTelemetry's API registers, with one span that is active. */
function active(t, spanContext) {
  const context = { getValue: (key) => (key === SPAN ? { spanContext: () => spanContext } : undefined) }
  globalThis[API] = { version: '1.9.0', context: { active: () => context } }
  t.after(() => delete globalThis[API])
}

const has = ({ body }, hex) => body.includes(Buffer.from(hex, 'hex'))

test('spans reach a collector', async (t) => {
  const { router, bodies } = await telling(t, { a: [{ status: 503 }], b: [{ answer: 'Hello' }] })
  await router.complete('support_chat', 'A secret', { metadata: { feature: 'help' } })
  await eventually(() => bodies.length === 1, 'spans')
  assert.equal(bodies[0].path, '/v1/traces')
  for (const text of ['shop', 'locum support_chat', 'chat big', 'chat small', 'locum.metadata.feature', 'overloaded']) {
    assert.ok(bodies[0].body.includes(text), text)
  }
  assert.ok(!bodies[0].body.includes('A secret') && !bodies[0].body.includes('Hello'))
})

test('the trace of the caller is joined', async (t) => {
  const { router, bodies } = await telling(t, { a: [{ answer: '1' }, { answer: '2' }, { answer: '3' }, { answer: '4' }] })
  const other = `00-${TRACE.replaceAll('0', '1')}-${PARENT.replaceAll('b', 'c')}-01`
  await router.complete('support_chat', 'Hi', { traceparent: other })
  await eventually(() => bodies.length === 1, 'the explicit one')
  assert.ok(has(bodies[0], other.slice(3, 35)) && has(bodies[0], other.slice(36, 52)))
  active(t, { traceId: TRACE, spanId: PARENT, traceFlags: 1 })
  await router.complete('support_chat', 'Hi')
  await eventually(() => bodies.length === 2, 'the active one')
  for await (const event of router.stream('support_chat', 'Hi')) if (event.type === 'end') break
  await eventually(() => bodies.length === 3, 'a stream')
  const body = JSON.stringify({ model: 'support_chat', messages: [{ role: 'user', content: 'Hi' }] })
  const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } }
  assert.equal((await router.fetch('http://locum/v1/chat/completions', init)).status, 200)
  await eventually(() => bodies.length === 4, 'the hook')
  for (const sent of bodies.slice(1)) assert.ok(has(sent, TRACE) && has(sent, PARENT))
})

test('a span that is none is passed over', async (t) => {
  const { router, bodies } = await telling(t, { a: [{ answer: '1' }] })
  active(t, { traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 })
  await router.complete('support_chat', 'Hi')
  await eventually(() => bodies.length === 1, 'spans of a trace of its own')
})

test('a traceparent that is none is the mistake of the caller', async (t) => {
  const { router } = await telling(t, {})
  const error = await rejection(router.complete('support_chat', 'Hi', { traceparent: '00-abc' }))
  assert.ok(error instanceof InvalidRequestError && error.message.includes('traceparent'), String(error))
})
