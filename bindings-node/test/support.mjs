// What the tests share: a router over scripted providers, child processes, waiting for what is about to happen.
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Router } from 'locum'
import { Mock } from 'locum/testing'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const KEYS = { a: 'sk-test-a-do-not-print', b: 'sk-test-b-do-not-print' }

/** The configuration over a mock's providers: `a` speaks OpenAI chat, `b` Anthropic Messages. */
export function config(url, task = {}) {
  return {
    providers: {
      a: { kind: 'openai', baseUrl: url('a'), apiKey: KEYS.a },
      b: { kind: 'anthropic', baseUrl: url('b'), apiKey: KEYS.b },
    },
    tasks: { support_chat: { primary: 'a/big', fallback: ['b/small'], retries: 0, ...task } },
  }
}

/** A mock that ends with the test, and a router over it. */
export async function start(t, script, task) {
  const mock = await Mock.start({ a: [], b: [], ...script })
  t.after(() => mock.close())
  return { mock, router: new Router(config((name) => mock.url(name), task)) }
}

/** Waits for `check` to give something true. It fails loudly when that takes longer than anything here may. */
export async function eventually(check, what, ms = 5000) {
  const begin = performance.now()
  for (;;) {
    const result = await check()
    if (result) return result
    if (performance.now() - begin > ms) throw new Error(`never happened: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The error that `promise` is rejected with. */
export async function rejection(promise) {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('expected a rejection')
}

/** Runs `source` as a module in a process of its own, and gives its exit code, signal and output. */
export function run(source, { env = {}, type = 'module', args = [`--input-type=${type}`, '-e', source], ms = 20_000 } = {}) {
  return new Promise((resolve) => {
    const begin = performance.now()
    const options = { cwd: root, env: { ...process.env, ...env }, timeout: ms, killSignal: 'SIGKILL' }
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      resolve({ code, signal: error?.signal ?? null, stdout, stderr, ms: performance.now() - begin })
    })
  })
}
