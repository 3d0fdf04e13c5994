// Builds the addon for this machine and puts it where the loader looks first: beside package.json.
//
//   node scripts/build-native.mjs [cargo's own arguments, such as --profile dev]
//
// A release does this once per platform and publishes each file as a package of its own (see README.md).
import { execFileSync } from 'node:child_process'
import { copyFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const extra = process.argv.slice(2)
const args = ['build', '--package', 'locum-node', '--message-format', 'json-render-diagnostics']
args.push(...(extra.length > 0 ? extra : ['--release']))
const output = execFileSync('cargo', args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28 })

const messages = output.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line))
const built = messages.find((message) => message.reason === 'compiler-artifact' && message.target.name === 'locum_node')
const library = built?.filenames.find((file) => /\.(so|dylib|dll)$/.test(file))
if (library === undefined) throw new Error('cargo reported no library')

const { platform, arch, report } = process
const libc = platform === 'linux' ? (report.getReport().header.glibcVersionRuntime ? '-gnu' : '-musl') : ''
const addon = join(root, `locum.${platform}-${arch}${libc}.node`)
// Under another name first: overwriting a loaded library in place would crash the processes that run it.
copyFileSync(library, `${addon}.new`)
renameSync(`${addon}.new`, addon)
console.log(addon)
