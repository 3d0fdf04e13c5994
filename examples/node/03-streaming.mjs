// A chat in the terminal that survives a cut: the stand-in goes on where the primary broke off.
import { createInterface } from 'node:readline'
import { stream } from 'locum'

const chat = [{ role: 'system', content: 'You help with invoices.' }]
for await (const line of createInterface({ input: process.stdin })) {
  console.log(`> ${line}`)
  chat.push({ role: 'user', content: line })
  for await (const event of stream('support_chat', chat)) {
    if (event.type === 'text') process.stdout.write(event.text)
    if (event.type === 'restart') console.log(`\n[${event.reason}; ${event.model} begins anew]`)
    if (event.type === 'end') {
      console.log(`\n\n${event.reply.trail()}`)
      chat.push(event.reply.message)
    }
  }
}
