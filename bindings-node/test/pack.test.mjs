// The tarball: it installs into an empty folder, without a compiler, and works there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { root } from './support.mjs'

const SMOKE = `
import { Router } from 'locum'
import { Mock } from 'locum/testing'
const mock = await Mock.start({ a: [{ answer: 'Hello' }] })
const router = new Router({
  providers: { a: { kind: 'openai', baseUrl: mock.url('a'), apiKey: 'any' } },
  tasks: { t: { primary: 'a/m', allowFallback: false } },
})
console.log((await router.complete('t', 'Hi')).text)
`

test('npm pack, npm install, and a call', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'locum-pack-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const npm = (args, cwd) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  // The scripts of the package print before the JSON.
  const printed = npm(['pack', '--json', '--pack-destination', folder], root)
  const [packed] = JSON.parse(printed.slice(printed.indexOf('[\n')))
  const files = packed.files.map((file) => file.path)
  for (const path of ['package.json', 'README.md', 'bin/locum.js', 'dist/index.js', 'dist/index.mjs', 'dist/index.d.ts', 'LICENSE-MIT', 'NOTICE']) {
    assert.ok(files.includes(path), `${path} is missing`)
  }
  const addons = files.filter((path) => path.endsWith('.node'))
  assert.equal(addons.length, 1, String(addons))
  assert.ok(files.every((path) => /^(package\.json|README\.md|LICENSE-[A-Z]+|NOTICE|bin\/|dist\/|locum\.[\w-]+\.node$)/.test(path)), String(files))

  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  npm(['install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename)], folder)
  writeFileSync(join(folder, 'smoke.mjs'), SMOKE)
  assert.equal(execFileSync(process.execPath, ['smoke.mjs'], { cwd: folder, encoding: 'utf8' }), 'Hello\n')
  assert.match(execFileSync(join(folder, 'node_modules/.bin/locum'), ['--version'], { encoding: 'utf8' }), /^locum \d/)
  assert.equal(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies, undefined)
})
