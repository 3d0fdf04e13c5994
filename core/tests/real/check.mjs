// Plays calls.json through the Node API. LOCUM_CONFIG names the configuration, LOCUM_MODULE where `locum` is found.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { Router, LocumError } = createRequire(join(process.env.LOCUM_MODULE, 'index.js'))('locum')
const router = Router.fromFile(process.env.LOCUM_CONFIG)
const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())

for (const call of JSON.parse(readFileSync(new URL('calls.json', import.meta.url)))) {
  const asked = call.messages
  const messages = typeof asked === 'string' ? asked : asked.repeat.repeat(asked.times)
  const options = { maxOutputTokens: 24, ...call.options }
  const ways = {
    whole: () => router.complete(call.task, messages, options),
    streamed: () => router.stream(call.task, messages, options).collect(),
  }
  for (const [how, ask] of Object.entries(ways)) {
    const found = await ask().catch((error) => {
      if (error instanceof LocumError) return error
      throw error
    })
    // Where a stream of this server says something else, as when it can only break off.
    const expect = (how === 'streamed' && call.expect_streamed) || call.expect
    for (const [name, wanted] of Object.entries(expect)) {
      const value = found[camel(name)]
      const why = `FAILED ${call.name}, ${how}: ${name} is ${JSON.stringify(value)}`
      if (name === 'parsed') assert.equal(typeof value?.[wanted], 'boolean', why)
      // This server's streams do not tell.
      else if (name === 'usage' && value === null) assert.equal(how, 'streamed', why)
      else if (name === 'usage') assert.ok(value.input > 0 && value.output > 0, why)
      else assert.equal(value, wanted, why)
    }
    console.log(`ok node: ${call.name}, ${how}`)
  }
}
