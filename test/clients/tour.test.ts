import assert from 'node:assert/strict'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort } from '../free-port.ts'
import { run, start, workFolder } from './program.ts'
import { refused } from './site.ts'

const checkout = join(import.meta.dirname, '../..')

/** What the README has its reader paste: the two commands, then the tour, block by block. */
const [commands = '', ...tour] = readFileSync(join(checkout, 'README.md'), 'utf8')
  .matchAll(/^```sh\n([\s\S]*?)^```$/gm)
  .map(([, block = '']) => block)

test('the tour of the README works as it is pasted', async () => {
  assert.match(commands, /npm start/)
  assert.ok(tour.length >= 5)
  const folder = workFolder()
  for (const name of ['package.json', 'node_modules', 'src', 'migrations'])
    symlinkSync(join(checkout, name), join(folder, name))
  // For root, podman would keep its images where those of the machine are.
  const storage = join(folder, 'storage.conf')
  writeFileSync(
    storage,
    `[storage]\ndriver = "vfs"\ngraphroot = "${folder}/images"\nrunroot = "${folder}/run"\n`,
  )
  const [server, registry] = [await freePort(), await freePort()]
  const env = { HOME: folder, CONTAINERS_STORAGE_CONF: storage }
  const listening = (line: string) => (line.includes('"msg":"listening"') ? true : undefined)
  const { stop } = await start('npm', ['--prefix', folder, 'start'], listening, {
    cwd: folder,
    env: { ...env, LOOKASIDE_LISTEN: `localhost:${server}` },
  })

  // Other ports than those of the README, which may be in use where this runs.
  const pasted = tour.join('').replaceAll('8443', String(server)).replaceAll('5055', String(registry))
  const script = `set -e\ntrap 'kill %1' EXIT\n${pasted}`
  const outcome = await run('bash', ['-c', script], { cwd: folder, env })

  assert.match(outcome.stdout, new RegExp(`added https://localhost:${server}/signatures/team/signed@sha256=`))
  assert.ok(existsSync(join(folder, 'tour/signed/manifest.json')), outcome.stderr)
  refused(outcome, /A signature was required, but no signature exists/)
  assert.equal(await stop(), 0)
})
