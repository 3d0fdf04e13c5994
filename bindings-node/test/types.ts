// Never run: that this compiles, errors expected and all, is the test of the public types.
import { AbortError, ConfigError, LocumError, Router, complete } from 'locum'
import type { Attempt, Config, ErrorKind, Message, Options, Reply, Usage } from 'locum'
import { Mock, type Seen } from 'locum/testing'

export async function usage(signal: AbortSignal): Promise<string> {
  const config: Config = {
    providers: { a: { kind: 'openai', baseUrl: 'http://127.0.0.1:1', api_key: 'env:KEY' } },
    models: { flagship: { use: 'a/big', maxOutputTokens: 5, context_window: 1000 } },
    tasks: { support_chat: { primary: 'flagship', fallback: ['a/small'], maxLatencyMs: 8000, allow_fallback: true } },
  }
  const bare: Config = { tasks: { support_chat: { primary: 'openai/gpt-4.1' } } }
  const router = new Router(process.env.OPENAI_API_KEY ? bare : config)
  const messages: Message[] = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'Hi' }, { type: 'image_url', image_url: { url: 'https://example.org/a.png' } }] },
  ]
  const options: Options = { customer: 'acme', signal, timeout_ms: 5, maxOutputTokens: null, temperature: undefined }
  const reply: Reply = await router.complete('support_chat', messages, options)
  messages.push(reply.message, { role: 'tool', tool_call_id: reply.toolCalls[0]?.id ?? '', content: 'x' })
  const tokens: Usage | null = reply.usage
  const line: Attempt | undefined = reply.attempts[0]
  // `parsed` and `raw` are whatever came: they must be looked at first.
  const parsed: unknown = reply.parsed ?? reply.raw
  const other = await complete('support_chat', 'Hi', null)
  return `${reply.text} ${tokens?.cachedInput} ${line?.nextReason} ${String(parsed)} ${other.trail()}`
}

export function failures(error: unknown): string {
  if (error instanceof AbortError) return String(error.reason)
  if (error instanceof ConfigError) return error.problems.join()
  if (!(error instanceof LocumError)) return 'other'
  const kind: ErrorKind = error.kind
  switch (kind) {
    case 'rate_limited':
      return `${error.retryAfterMs ?? 0}`
    // @ts-expect-error no such kind
    case 'rate_limitd':
    default:
      return error.code
  }
}

export async function mocks(): Promise<Seen[]> {
  await using mock = await Mock.start({ a: [{ answer: 'Hello' }], b: { key: 'k', steps: [{ status: 500 }] } })
  const url: string = mock.url('a')
  return url === '' ? [] : mock.log()
}

export async function mistakes(router: Router, reply: Reply): Promise<void> {
  // @ts-expect-error a role that does not exist
  await router.complete('t', [{ role: 'narrator', content: 'x' }])
  // @ts-expect-error an option that does not exist
  await router.complete('t', 'Hi', { temprature: 1 })
  // @ts-expect-error an option of the wrong type
  await router.complete('t', 'Hi', { maxOutputTokens: '5' })
  // @ts-expect-error a task needs a primary
  new Router({ providers: {}, tasks: { t: {} } })
  // @ts-expect-error a misspelled key
  new Router({ providers: {}, tasks: { t: { primary: 'a/b', maxLatency: 5 } } })
  // @ts-expect-error replies are not changed
  reply.text = 'x'
  // @ts-expect-error unknown must be looked at first
  reply.parsed.member
}
