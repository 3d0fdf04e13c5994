// The `locum` command of the npm package.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { config, eventually, root, run, start } from './support.mjs'

const command = join(root, 'bin/locum.js')

function file(value) {
  const path = join(mkdtempSync(join(tmpdir(), 'locum-')), 'file.json')
  writeFileSync(path, JSON.stringify(value))
  return path
}

test('help and mistakes have their exit codes', async () => {
  const help = await run('', { args: [command, '--help'] })
  assert.equal(help.code, 0)
  assert.match(help.stdout, /Usage: locum/)
  const wrong = await run('', { args: [command, 'nonsense'] })
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /nonsense/)
})

test('ask asks', async (t) => {
  const { mock } = await start(t, { a: [{ answer: 'Hello from the mock' }] })
  const given = file(config((name) => mock.url(name)))
  const { code, stdout, stderr } = await run('', { args: [command, 'ask', '--config', given, 'support_chat', 'Hi'] })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /Hello from the mock/)
})

/** Starts a command that runs on, and ends it by a signal when `ready`. */
async function interrupted(t, args, signal, ready) {
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const exit = once(child, 'exit')
  await ready(child)
  const begin = performance.now()
  child.kill(signal)
  const ended = await Promise.race([exit, new Promise((resolve) => setTimeout(resolve, 5000, null).unref())])
  assert.ok(ended !== null, 'it goes on')
  assert.ok(performance.now() - begin < 1000)
  return ended
}

test('Ctrl-C ends a mock, as the command itself wants it', async (t) => {
  const script = file({ a: [{ answer: 'Hello' }] })
  const ready = async (child) => {
    let printed = ''
    child.stdout.on('data', (chunk) => (printed += chunk))
    await eventually(() => printed.includes('"ready"'), 'it starts')
    const url = JSON.parse(printed.split('\n')[0]).base_url
    await (await fetch(`${url}/chat/completions`, { method: 'POST', body: '{}' })).text()
    // It prints requests in the loop in which it listens for signals.
    await eventually(() => printed.includes('"POST"'), 'it prints the request')
  }
  const [code, signal] = await interrupted(t, ['mock', script], 'SIGINT', ready)
  assert.equal(code, 0)
  assert.equal(signal, null)
})

for (const name of ['SIGINT', 'SIGTERM']) {
  test(`${name} ends a call under way`, async (t) => {
    const { mock } = await start(t, { a: [{ silence: true }] }, { fallback: [] })
    const given = file(config((provider) => mock.url(provider), { fallback: [] }))
    const ready = () => eventually(() => mock.log().length === 1, 'the request arrives')
    const [code, signal] = await interrupted(t, ['ask', '--config', given, 'support_chat', 'Hi'], name, ready)
    assert.ok(signal === name || code !== 0, `${code} ${signal}`)
    await eventually(() => mock.log()[0].closedMs !== null, 'the socket closes')
  })
}
