// A web service that streams answers: Express. npm install locum express
// It starts itself and asks two questions.
import express from 'express'
import { once } from 'node:events'

import { LocumError, Router } from 'locum'

const router = Router.fromDefault()
const app = express()
app.use(express.json())

app.post('/ask', async (request, response) => {
  try {
    const { text, model } = await router.complete('support_chat', request.body.question)
    response.json({ answer: text, model })
  } catch (error) {
    if (!(error instanceof LocumError)) throw error
    response.status(error.retryable ? 503 : 502).json({ error: error.kind })
  }
})

app.post('/stream', async (request, response) => {
  // A client that goes away aborts the call, and with it the connection to the provider.
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const answer = router.stream('support_chat', request.body.question, { signal: gone.signal }).text()
  response.type('text/plain')
  for await (const piece of answer) {
    if (!response.write(piece)) await once(response, 'drain')
  }
  response.end()
})

const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const ask = (path) =>
  fetch(`http://127.0.0.1:${server.address().port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ question: 'My invoice is wrong.' }),
  })
console.log(await (await ask('/ask')).json())
for await (const piece of (await ask('/stream')).body.pipeThrough(new TextDecoderStream())) process.stdout.write(piece)
console.log()
server.close()
