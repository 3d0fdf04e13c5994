// Records of calls in a file, and that they are there when a process ends.
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { ConfigError, InvalidRequestError, Router } from 'locum'

import { config, run, start } from './support.mjs'

const lines = (path) => readFileSync(path, 'utf8').trim().split('\n').map((line) => JSON.parse(line))

async function prepared(t, script) {
  const folder = mkdtempSync(join(tmpdir(), 'locum-books-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { mock } = await start(t, script)
  const path = join(folder, 'usage.jsonl')
  return { path, given: { ...config((name) => mock.url(name)), accounting: { jsonl: { path, maxBytes: 1_000_000 } } } }
}

test('flushed records are in the file', async (t) => {
  const stalls = { answer: 'Hello', stream: { stall_after: 1 } }
  const { path, given } = await prepared(t, { a: [{ status: 503 }], b: [{ answer: 'Hello' }, stalls] })
  const router = new Router({ ...given, state: 'router' })
  assert.equal(router.flush(), true)
  await router.complete('support_chat', 'A secret', { customer: 'acme' })
  for await (const event of router.stream('support_chat', 'A secret')) if (event.type === 'text') break
  assert.equal(router.flush(), true)
  const records = lines(path)
  assert.deepEqual(records.map((record) => [record.customer, record.outcome, record.stream]), [['acme', 'ok', false], [null, 'cancelled', true]])
  assert.deepEqual(records[0].attempts.map((attempt) => attempt.model), ['a/big', 'b/small'])
  assert.ok(!readFileSync(path, 'utf8').includes('A secret'))
})

for (const [name, rest, code, signal] of [
  ['by itself', '', 0, null],
  ['by process.exit', 'process.exit(7)', 7, null],
  ['by an error', "throw new Error('over')", 1, null],
  ['killed after a flush', "router.flush(); process.kill(process.pid, 'SIGKILL')", null, 'SIGKILL'],
]) {
  test(`records are there when a process ends ${name}`, async (t) => {
    const { path, given } = await prepared(t, { a: [{ answer: 'Hello' }] })
    const ended = await run(`
      import { Router } from 'locum'
      const router = globalThis.kept = new Router(${JSON.stringify(given)})
      await router.complete('support_chat', 'Hi')
      ${rest}`)
    assert.deepEqual([ended.code, ended.signal], [code, signal], ended.stderr)
    assert.equal(lines(path).length, 1)
  })
}

test('usage is a report of what is kept', async (t) => {
  const { path, given } = await prepared(t, { a: [{ answer: 'Hello' }] })
  const router = new Router({ ...given, state: 'router' })
  await Promise.all(Array.from({ length: 20 }, () => router.complete('support_chat', 'Hi', { customer: 'acme' })))
  const report = await router.usage({ by: 'customer' })
  assert.deepEqual([report.by, report.counted, report.warnings], ['customer', 'calls', []])
  assert.match(report.pricesDate, /^20\d\d-\d\d-\d\d$/)
  assert.deepEqual(report.rows.map((row) => [row.name, row.count, row.successRate]), [['acme', 20, 1]])
  assert.equal(report.total.latencyMsP95 >= report.total.latencyMsP50, true)
  appendFileSync(path, '{}\n')
  assert.deepEqual((await router.usage()).warnings, [`${path}:21: is no record`])
  await assert.rejects(router.usage({ since: 'yesterday' }), InvalidRequestError)
  await assert.rejects(router.usage({ since: new Map() }), InvalidRequestError)
  await assert.rejects(router.usage('model'), InvalidRequestError)
  await assert.rejects(new Router({ ...given, accounting: {} }).usage(), ConfigError)
})
