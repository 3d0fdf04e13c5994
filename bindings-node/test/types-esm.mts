// The same types reach ES modules.
import { Router, type Reply } from 'locum'
import { Mock } from 'locum/testing'

export const router: Router = Router.fromFile('locum.toml')
export const reply: Promise<Reply> = router.complete('support_chat', 'Hi', { timeoutMs: 5 })
export const mock: Promise<Mock> = Mock.start({})
