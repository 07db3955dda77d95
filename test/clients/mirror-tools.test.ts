import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parsePattern } from '../../src/access/pattern.ts'
import { admission } from '../../src/admission/admit.ts'
import type { Digest } from '../../src/reference/digest.ts'
import { parseRepository } from '../../src/reference/repository.ts'
import { formatSlotPath } from '../../src/reference/tree-path.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { newBlob, newDigest } from '../bench/data-folder.ts'
import { eventually } from '../eventually.ts'
import { startCountingNginx } from './counting-nginx.ts'
import { startLookaside } from './lookaside.ts'
import { succeed, workFolder } from './program.ts'

const digests = 1000
const perDigest = [1, 4, 5, 10]
const signatures = (digests / perDigest.length) * (1 + 4 + 5 + 10)
const repositories = ['team/app', 'team/app/sub', 'team/app-x', 'lib', 'a.b/c__d/e-f', 'team/zoo']
const views = [{ base: 'release', repositories: ['team/zoo'] }]

const folder = workFolder()
const data = join(folder, 'data')
const storage = openSqlite({ dataFolder: data })
const admit = admission(storage, {
  digestViews: views.map(({ base, repositories }) => ({
    base,
    repositories: repositories.map(parsePattern),
  })),
  sigstoreJson: false,
})

/** A signature as the server would take it, of the size that all of them have; returns its number. */
async function add({ repository, digest }: Place): Promise<number> {
  const { signature } = await admit({
    bytes: newBlob(digest),
    principal: { name: 'signer', scopes: [{ action: 'admin' }] },
    actor: 'signer',
    origin: commandLine,
    repository: parseRepository(repository),
    digest,
  })
  return signature.id
}

interface Place {
  repository: string
  digest: Digest
}

const newPlace = (index: number): Place => ({
  repository: repositories[index % repositories.length] as string,
  digest: newDigest(),
})

type Files = Map<string, string>

/** What is served: the hash of each slot. */
async function served(): Promise<Files> {
  const files: Files = new Map()
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page = await storage.locations(after, 500)
    for (const { location } of page)
      for (const { slot, sha256 } of await storage.slots(location))
        files.set(formatSlotPath(location, slot), sha256)
    after = page.at(-1)?.id
  }
  return files
}

/** The hash of each file in a folder, but for those whose names begin with a dot. */
function filesIn(root: string): Files {
  const files: Files = new Map()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.startsWith('.')) continue
    const file = join(entry.parentPath, entry.name)
    files.set(file.slice(root.length + 1), createHash('sha256').update(readFileSync(file)).digest('hex'))
  }
  return files
}

const sorted = (files: Files) => [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))

/** What a copy of the one has to fetch to be the other. */
const changedIn = (before: Files, after: Files) =>
  [...after].filter(([path, hash]) => before.get(path) !== hash)

await storage.configureViews(views)
const places = Array.from({ length: digests }, (_, index) => newPlace(index))
const ids = await Promise.all(
  places.map((place, index) =>
    Promise.all(Array.from({ length: perDigest[index % perDigest.length] as number }, () => add(place))),
  ),
)
const server = await startLookaside(folder, { data, tls: { mode: 'off' }, digestViews: views })
const nginx = await startCountingNginx(folder, server.url)
const tree = join(data, 'tree')

/** Whether the tree on disk has come to what is served. */
const isInStep = async () => {
  const wanted = await served()
  try {
    const files = filesIn(tree)
    return files.size === wanted.size && changedIn(files, wanted).length === 0
  } catch (error) {
    // It has just gone.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

interface Tool {
  /** Brings a folder up to date; `url` is that of the tree. What it prints names what rsync has copied. */
  mirror(folder: string, url: string): Promise<string>
  deletes: boolean
}

const home = join(folder, 'home')
mkdirSync(home)
const options = { env: { HOME: home } }

const wget = (folder: string, url: string, ...more: string[]) => {
  const args = [
    '--mirror',
    '--no-verbose',
    '--no-parent',
    '--no-host-directories',
    '--cut-dirs=1',
    ...more,
    url,
  ]
  return succeed('wget', args, { ...options, cwd: folder })
}

/** The commands of docs/mirrors.md, and wget without care. */
const tools: Record<string, Tool> = {
  wget: {
    mirror: (folder, url) => wget(folder, url, '--reject=index.html*'),
    deletes: false,
  },
  'wget that keeps the listings': { mirror: (folder, url) => wget(folder, url), deletes: false },
  lftp: {
    mirror: (folder, url) => {
      const script = `set xfer:use-temp-file yes; mirror --delete --parallel=4 ${url} ${folder}`
      return succeed('lftp', ['-c', script], options)
    },
    deletes: true,
  },
  rclone: {
    mirror: (folder, url) =>
      succeed('rclone', ['sync', '--delete-after', '--http-url', url, ':http:', folder], options),
    deletes: true,
  },
  rsync: {
    mirror: async (folder) => {
      await eventually(isInStep)
      const args = ['-rt', '--delete-after', '--exclude=.*', '--out-format=%i %n']
      return succeed('rsync', [...args, `${tree}/`, folder], options)
    },
    deletes: true,
  },
}

/** Runs a tool; returns the slots that it fetched whole. */
async function fetchedBy(tool: Tool, folder: string): Promise<string[]> {
  await nginx.exchanges()
  const printed = await tool.mirror(folder, `${nginx.url}/signatures/`)
  const overHttp = (await nginx.exchanges())
    .filter(({ method, status, path }) => method === 'GET' && status === 200 && /\/signature-\d+$/.test(path))
    .map(({ path }) => path.slice('/signatures/'.length))
  const byRsync = Array.from(printed.matchAll(/^>f\S+ (.+)$/gm), ([, path]) => path as string)
  return [...overHttp, ...byRsync]
}

const copyOf = (name: string) => join(folder, name.replaceAll(' ', '-'))

/** What is in a copy, without listings that the tool has kept. */
const copied = (name: string) =>
  new Map(
    [...filesIn(copyOf(name))].filter(([path]) => !path.endsWith('/index.html') && path !== 'index.html'),
  )

const atFirst = await served()

for (const [name, tool] of Object.entries(tools))
  test(`${name} mirrors a tree of ${signatures} signatures`, async () => {
    mkdirSync(copyOf(name))
    const fetched = await fetchedBy(tool, copyOf(name))
    assert.deepEqual(sorted(copied(name)), sorted(atFirst))
    assert.equal(fetched.length, atFirst.size)
  })

test('100 signatures are added and 50 withdrawn, several in a second', async () => {
  const why = { actor: 'signer', reason: null, graceSeconds: 0 }
  const withSo = (many: number) => ids.flatMap((of, index) => (of.length === many ? [index] : []))
  const idsAt = (indexes: number[], slot: number) => indexes.map((index) => ids[index]?.[slot - 1] as number)
  const four = withSo(4)
  const one = withSo(1)
  // Into slot 1 comes what was in slot 4, then what was in slot 3: the same slot changes twice, as soon as it may.
  await storage.withdraw(idsAt(four.slice(0, 30), 1), why)
  await storage.withdraw(idsAt(four.slice(0, 10), 4), why)
  await storage.withdraw(idsAt(one.slice(0, 10), 1), why)
  await eventually(() => storage.endGrace(1000, 0))
  // Of these, half come where the ones just withdrawn were.
  const old = [...one.slice(0, 5), ...four.slice(5, 15), ...one.slice(20, 55)].map(
    (index) => places[index] as Place,
  )
  const fresh = Array.from({ length: 49 }, (_, index) => newPlace(index))
  const elsewhere = { repository: 'new/app', digest: newDigest() }
  await Promise.all([...old, ...fresh, elsewhere].map(add))
  const { seq } = await storage.head()
  assert.equal(seq, signatures + 150)
})

for (const [name, tool] of Object.entries(tools))
  test(`${name} then brings its copy up to date, and fetches little more than what has changed`, async () => {
    const now = await served()
    const before = copied(name)
    assert.deepEqual(sorted(before), sorted(atFirst))
    const fetched = await fetchedBy(tool, copyOf(name))
    const after = copied(name)
    const left = [...after.keys()].filter((path) => !now.has(path))
    if (tool.deletes) assert.deepEqual(left, [])
    else for (const path of left) after.delete(path)
    assert.deepEqual(sorted(after), sorted(now))
    const changed = changedIn(atFirst, now).length
    assert.ok(changed > 150)
    assert.ok(fetched.length <= changed + 10, `${fetched.length} were fetched, ${changed} have changed`)
  })

test('lftp, which sends a hundred requests ahead of their answers, needs no proxy before the server', async () => {
  const straight = join(folder, 'straight')
  mkdirSync(straight)
  await tools.lftp?.mirror(straight, `${server.url}/signatures/`)
  assert.deepEqual(sorted(filesIn(straight)), sorted(await served()))
})
