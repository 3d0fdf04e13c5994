// The types of the configuration name every key that the published schema has.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8')
const schema = JSON.parse(read('../../core/schema/locum.schema.json'))
const types = read('../ts/types.ts') + read('../ts/config.ts')

const camel = (key) => key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())

/** The text of an interface, with that of those it extends. */
function members(name) {
  const [, above, body] = types.match(new RegExp(`export interface ${name}(?: extends (\\w+))? \\{\\n([\\s\\S]*?)\\n\\}`)) ?? []
  assert.ok(body !== undefined, `no interface ${name}`)
  return above ? `${body}\n${members(above)}` : body
}

for (const name of ['ProviderConfig', 'ModelConfig', 'TaskConfig', 'AcceptConfig', 'QuotaConfig', 'OtlpConfig']) {
  test(`${name} names every key`, () => {
    const known = members(name)
    const keys = Object.keys(schema.$defs[name].properties)
    assert.ok(keys.length > 5)
    const missing = keys.filter((key) => !new RegExp(`^  ${camel(key)}\\??:`, 'm').test(known))
    assert.deepEqual(missing, [])
  })
}

test('the file itself names every key', () => {
  const known = members('Config')
  const keys = Object.keys(schema.properties).filter((key) => key !== '$schema')
  assert.deepEqual(keys.filter((key) => !new RegExp(`^  ${key}\\??:`, 'm').test(known)), [])
})

test('a price names every key', () => {
  const known = members('Price')
  const keys = Object.keys(schema.$defs.PriceConfig.properties).filter((key) => key !== 'tier')
  assert.deepEqual(keys.filter((key) => !new RegExp(`^  ${camel(key)}\\??:`, 'm').test(known)), [])
})
