// ES modules and CommonJS, alone and together.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'

import * as esm from 'locum'
import * as esmTesting from 'locum/testing'

import { config, rejection, run, start } from './support.mjs'

const require = createRequire(import.meta.url)

test('both have the same names and the same classes', () => {
  const cjs = require('locum')
  const names = (module) => Object.keys(module).filter((name) => !['default', '__esModule', 'module.exports'].includes(name)).sort()
  assert.deepEqual(names(esm), names(cjs))
  for (const name of names(cjs)) assert.equal(esm[name], cjs[name], name)
  assert.equal(esmTesting.Mock, require('locum/testing').Mock)
})

test('both serve in one process, and errors of one are known to the other', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: 'Hello', times: 2 }] })
  const cjs = require('locum')
  const other = new cjs.Router(config((name) => mock.url(name)))
  const [one, two] = await Promise.all([router, other].map((each) => each.complete('support_chat', 'Hi')))
  assert.equal(one.text, two.text)
  assert.ok((await rejection(other.complete('nowhere', 'Hi'))) instanceof esm.LocumError)
})

test('nothing else can be imported', async () => {
  const error = await rejection(import('locum/dist/native.js'))
  assert.equal(error.code, 'ERR_PACKAGE_PATH_NOT_EXPORTED')
})

for (const args of [
  ['--input-type=module', '-e', `import { Router } from 'locum'; import { Mock } from 'locum/testing'; console.log(typeof Router, typeof Mock)`],
  ['--input-type=commonjs', '-e', `const { Router } = require('locum'); const { Mock } = require('locum/testing'); console.log(typeof Router, typeof Mock)`],
]) {
  test(`in a process of its own: ${args[0]}`, async () => {
    const { stdout, stderr } = await run('', { args })
    assert.equal(stderr, '')
    assert.equal(stdout, 'function function\n')
  })
}

test('complete() uses the default configuration, and finds it when it is first called', async (t) => {
  const { mock } = await start(t, { a: [{ answer: 'Hello', times: 2 }] })
  const source = `
    import { writeFileSync, mkdtempSync } from 'node:fs'
    import { tmpdir } from 'node:os'
    import { complete } from 'locum'
    process.env.LOCUM_CONFIG = '/nowhere/locum.json'
    console.log(await complete('support_chat', 'Hi').catch((error) => error.name))
    process.env.LOCUM_CONFIG = mkdtempSync(tmpdir() + '/locum-') + '/locum.json'
    writeFileSync(process.env.LOCUM_CONFIG, process.env.GIVEN)
    console.log((await complete('support_chat', 'Hi')).text, (await complete('support_chat', 'Hi')).text)`
  const given = config((name) => mock.url(name))
  given.providers.a.apiKey = 'env:KEY_A'
  given.providers.b.apiKey = 'env:KEY_B'
  const { stdout, stderr } = await run(source, { env: { GIVEN: JSON.stringify(given), KEY_A: 'sk-a', KEY_B: 'sk-b' } })
  assert.equal(stderr, '')
  assert.equal(stdout, 'ConfigError\nHello Hello\n')
})
