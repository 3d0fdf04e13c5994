// One completion. Run it with keys in the environment: node 01-quickstart.mjs
import { complete } from 'locum'

const messages = [
  { role: 'system', content: 'You are a friendly support agent.' },
  { role: 'user', content: 'My invoice is wrong.' },
]
const reply = await complete('support_chat', messages, { customer: 'acme' })
console.log(reply.text)
console.log(`— ${reply.model} in ${reply.latencyMs.toFixed(0)} ms, finish ${reply.finish.unified}`)
