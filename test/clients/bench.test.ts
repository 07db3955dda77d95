import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { benchmarks } from '../bench/benchmarks.ts'
import { installed, type Program } from '../bench/installed.ts'

const bench = fileURLToPath(new URL('../bench/bench.ts', import.meta.url))

/** What a line of the tables begins with, and the programs without which there is none. */
const lines: Record<keyof typeof benchmarks, [string, ...Program[]][]> = {
  read: [
    ['nginx  ', 'nginx', 'wrk'],
    ['nginx, open_file_cache', 'nginx', 'wrk'],
    ['lookaside  ', 'wrk'],
    ['Caddy  ', 'caddy', 'wrk'],
  ],
  cold: [
    ['nginx  ', 'nginx'],
    ['nginx, open_file_cache', 'nginx'],
    ['lookaside  '],
    ['Caddy  ', 'caddy'],
    ['Cold again', 'wrk'],
  ],
  flood: [['nginx  ', 'nginx'], ['lookaside  '], ['Caddy  ', 'caddy']],
  upload: [['a shell loop of gpg --verify', 'gpg', 'bash'], ['lookaside  ']],
  mixed: [
    ['lookaside, 500 uploads/s', 'wrk'],
    ['nginx, 500 files/s', 'nginx', 'wrk'],
  ],
  scale: [['800 signatures', 'wrk'], ['start until an image is read'], ['100 uploads']],
  mirror: [['lftp mirror', 'lftp'], ['lookaside mirror']],
  verify: [['gpg --verify', 'gpg'], ['Ed25519']],
}

for (const [name, expected] of Object.entries(lines))
  test(`the benchmark ${name} compares with what is installed`, async () => {
    const stdout = await quick(name, process.env.PATH)
    for (const [line, ...needed] of expected)
      assert.equal(hasLine(stdout, line), needed.every(installed), `${line}:\n${stdout}`)
  })

test('a benchmark says what it leaves out', async () => {
  const stdout = await quick('upload', '/nowhere')
  assert.ok(hasLine(stdout, 'lookaside  '), stdout)
  assert.match(stdout, /^Left out, as gpg is not installed: the shell loop$/m)
})

/** What it prints; it must succeed. */
async function quick(name: string, PATH: string | undefined): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [bench, name, '--quick'], {
    env: { PATH },
    timeout: 300_000,
  })
  return stdout
}

const hasLine = (text: string, start: string) => text.split('\n').some((line) => line.startsWith(start))
