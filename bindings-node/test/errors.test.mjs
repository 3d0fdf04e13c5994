// The error classes: complete, and as rich as the core's errors.
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import * as locum from 'locum'

import { rejection, start } from './support.mjs'

const require = createRequire(import.meta.url)
const { CLASSES } = require('../dist/errors.js')
const { addon } = require('../dist/native.js')
const { LocumError, Router } = locum

test('every kind of the core has its class, and no other kind has one', () => {
  assert.deepEqual(Object.keys(CLASSES).sort(), addon.errorKinds().sort())
})

test('every class is exported under its name, and says it', () => {
  for (const [kind, Class] of Object.entries(CLASSES)) {
    assert.equal(locum[Class.name], Class, `${kind} is exported`)
    const error = new Class({ kind, message: 'text' })
    assert.ok(error instanceof LocumError && error instanceof Error)
    assert.equal(error.name, Class.name)
    assert.equal(error.kind, kind)
    assert.equal(error.code, kind)
    assert.match(error.stack, new RegExp(`^${Class.name}: text\n`))
    assert.ok(!Object.keys(error).includes('name'))
  }
})

const FAMILIES = {
  QuotaExceededError: ['provider_quota', 'quota_exceeded'],
  TimeoutError: ['timeout', 'deadline_exceeded'],
  ContextOverflowError: ['context_overflow', 'input_too_long'],
  MalformedResponseError: ['malformed_response', 'truncated_stream', 'invalid_output'],
  AbortError: ['cancelled'],
}
for (const [name, kinds] of Object.entries(FAMILIES)) {
  test(`${name}: ${kinds.join(', ')}`, () => {
    assert.deepEqual(Object.keys(CLASSES).filter((kind) => CLASSES[kind].name === name).sort(), kinds.sort())
  })
}

const UPSTREAM = {
  rate_limit_exceeded: locum.RateLimitedError,
  insufficient_quota: locum.QuotaExceededError,
  server_is_overloaded: locum.OverloadedError,
  invalid_api_key: locum.AuthenticationError,
  context_length_exceeded: locum.ContextOverflowError,
}
for (const [code, Class] of Object.entries(UPSTREAM)) {
  test(`${code} is thrown as ${Class.name}`, async (t) => {
    const { router } = await start(t, { a: [{ error: code }] }, { fallback: [] })
    const error = await rejection(router.complete('support_chat', 'Hi'))
    assert.equal(error.constructor, Class)
    assert.equal(error.task, 'support_chat')
    assert.equal(error.model, 'a/big')
    assert.equal(error.provider, 'a')
    assert.equal(error.attempts.length, 1)
    assert.equal(typeof error.status, 'number')
    assert.match(error.trail(), /^model +outcome/)
  })
}

test('all fail: the error is the primary’s and the trail is whole', async (t) => {
  const { router } = await start(t, {
    a: [{ error: 'rate_limit_exceeded', headers: { 'retry-after': '30' } }],
    b: [{ status: 500 }],
  })
  const error = await rejection(router.complete('support_chat', 'Hi'))
  assert.equal(error.constructor, locum.RateLimitedError)
  assert.equal(error.retryable, true)
  assert.equal(error.retryAfterMs, 30_000)
  assert.equal(error.inStream, false)
  assert.equal(error.partial, null)
  assert.deepEqual(error.attempts.map((line) => [line.model, line.kind, line.next]), [
    ['a/big', 'rate_limited', 'fallback'],
    ['b/small', 'server_error', 'fail'],
  ])
})

test('every field of the core’s error and attempt is passed on', async (t) => {
  const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())
  const wire = JSON.parse(addon.openConfig('{}', [], () => {}))
  const { router } = await start(t, { a: [{ status: 500 }], b: [{ status: 500 }] })
  const error = await rejection(router.complete('support_chat', 'Hi'))
  for (const name of Object.keys(wire)) assert.ok(name === 'message' || camel(name) in error, `${name} is missing`)
  for (const [name, value] of Object.entries(error)) assert.notEqual(value, undefined, `${name} is undefined`)
  for (const [name, value] of Object.entries(error.attempts[0])) assert.notEqual(value, undefined, `${name} is undefined`)
})

test('an error has the stack of its caller', async (t) => {
  const { router } = await start(t, { a: [{ error: 'invalid_api_key' }] }, { fallback: [] })
  async function theCallerOfThis() {
    await router.complete('support_chat', 'Hi')
  }
  assert.match((await rejection(theCallerOfThis())).stack, /theCallerOfThis/)
})

test('a configuration with problems: all of them', () => {
  const config = { providers: { a: { kind: 'openai', apiKey: 'env:X', basUrl: 'x' } }, tasks: { t: { primary: 'nowhere' } } }
  assert.throws(() => new Router(config), (error) => {
    assert.equal(error.constructor, locum.ConfigError)
    assert.equal(error.kind, 'config')
    assert.ok(error.problems.length >= 2, String(error.problems))
    for (const problem of error.problems) assert.ok(error.message.includes(problem))
    assert.equal(error.trail(), '')
    return true
  })
})

test('files: a problem with its line, a missing one, a URL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'locum-'))
  const file = join(folder, 'locum.toml')
  writeFileSync(file, '[tasks.t]\nprimary = "a/x"\nfalback = []\n')
  assert.throws(() => Router.fromFile(file), (error) => {
    assert.equal(error.constructor, locum.ConfigError)
    assert.match(error.message, /line 3|:3/)
    return true
  })
  assert.throws(() => Router.fromFile(join(folder, 'none.toml')), locum.ConfigError)
  writeFileSync(file, '[providers.a]\nkind = "openai"\nbase_url = "http://127.0.0.1:1"\napi_key = "x"\n[tasks.t]\nprimary = "a/x"\n')
  assert.deepEqual(Router.fromFile(file).tasks, ['t'])
  assert.deepEqual(Router.fromFile(new URL(`file://${file}`)).tasks, ['t'])
})

test('a configuration that is no JSON', () => {
  const broken = { providers: { a: { kind: 'openai', headers: { x: 1n } } }, tasks: {} }
  assert.throws(() => new Router(broken), (error) => {
    assert.equal(error.constructor, locum.ConfigError)
    assert.deepEqual(error.problems, ['providers.a.headers.x: a BigInt cannot be written as JSON'])
    return true
  })
  for (const config of [undefined, null, 'x', 5, () => {}]) assert.throws(() => new Router(config), locum.ConfigError)
})
