import assert from 'node:assert/strict'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { formatLocation, parseSlotPath } from '../../src/reference/tree-path.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { newDigest } from '../bench/data-folder.ts'
import { newSigningKey } from '../mirror/signing-key.ts'
import { heldIn } from '../mirror/static-copy.ts'
import { run, workFolder } from './program.ts'
import { type Asked, isMissing, staticServers } from './static-servers.ts'

const folder = workFolder()
const program = fileURLToPath(new URL('../../src/lookaside.js', import.meta.url))
const alice = newSigningKey(folder, 'alice')

const locations = 250
const perLocation = 4
const repositories = ['team/app', 'team/app/sub', 'a.b/c__d/e-f', 'lib']

let tags = 0

/** A signature for the location that a slot is in. */
function signatureFor(path: string): Buffer {
  const { location } = parseSlotPath(path) ?? assert.fail(path)
  return alice.sign(`${++tags}`.padStart(8, '0'), { repository: location.name, digest: location.digest })
}

/** As a person puts it there by hand: in place. Where a slot has one, that is of the same size. */
function write(docroot: string, path: string): void {
  const file = join(docroot, path)
  const size = statSync(file, { throwIfNoEntry: false })?.size
  let signature = signatureFor(path)
  while (size !== undefined && signature.length !== size) signature = signatureFor(path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, signature)
}

const newLocation = (index: number) =>
  `${repositories[index % repositories.length]}@${newDigest().replace(':', '=')}`

/** A tree of a thousand signatures that were made long ago. */
function newDocroot(name: string): { docroot: string; places: string[] } {
  const docroot = join(folder, name)
  const places = Array.from({ length: locations }, (_, index) => newLocation(index))
  for (const place of places)
    for (let slot = 1; slot <= perLocation; slot++) write(docroot, `${place}/signature-${slot}`)
  const longAgo = Date.now() / 1000 - 3600
  for (const path of pathsIn(docroot)) utimesSync(join(docroot, path), longAgo, longAgo)
  return { docroot, places }
}

/** The slots of a tree. */
function pathsIn(docroot: string): string[] {
  return readdirSync(docroot, { recursive: true, encoding: 'utf8' }).filter(
    (path) => parseSlotPath(path) !== null,
  )
}

/** Copies a source once, as a person would. */
async function mirror(data: string, from: string): Promise<void> {
  const args = ['mirror', '--from', from, '--policy', alice.policy, '--data', data]
  const { code, stdout, stderr } = await run(process.execPath, [program, ...args])
  assert.equal(code, 0, stdout + stderr)
}

async function assertEqual(data: string, docroot: string): Promise<void> {
  const tree = new Map(pathsIn(docroot).map((path) => [path, readFileSync(join(docroot, path))]))
  const storage = openSqlite({ dataFolder: data })
  const held: [string, Uint8Array][] = []
  for (const { location } of await storage.locations(0, 10_000))
    for (const { slot, leaves, blob } of await storage.slots(location))
      if (leaves === null) held.push([`${formatLocation(location)}/signature-${slot}`, blob])
  await storage.close()
  assert.deepEqual(heldIn(new Map(held)), heldIn(tree))
}

const ofSlots = (asked: readonly Asked[], status: number) =>
  asked.filter((one) => one.status === status && /\/signature-\d+$/.test(one.path)).length

/** The folders of the tree, itself among them. */
const foldersIn = (docroot: string) => new Set(pathsIn(docroot).flatMap((path) => parentsOf(path))).size

function parentsOf(path: string): string[] {
  return path === '.' ? [] : [dirname(path), ...parentsOf(dirname(path))]
}

for (const [name, start] of Object.entries(staticServers))
  test(`a tree behind ${name} is copied, and what changes in it is followed with few requests`, {
    skip: isMissing(name),
  }, async () => {
    const { docroot, places } = newDocroot(`docroot-${name}`)
    const { url, asked } = await start(folder, docroot)
    const data = join(folder, `data-${name}`)
    await mirror(data, url)
    await assertEqual(data, docroot)
    assert.equal(ofSlots(await asked(), 200), locations * perLocation)

    await mirror(data, url)
    const second = await asked()
    assert.equal(ofSlots(second, 200), 0)
    // Its listings show no times, so that every slot is asked whether it has changed.
    assert.equal(ofSlots(second, 304), name === 'python' ? locations * perLocation : 0)
    const listings = second.filter(({ path }) => path.endsWith('/')).length
    assert.equal(listings, foldersIn(docroot))

    const [added, withdrawn, inPlace] = [places.slice(0, 10), places.slice(10, 20), places.slice(20, 30)]
    for (const place of added) write(docroot, `${place}/signature-${perLocation + 1}`)
    for (let index = 0; index < 10; index++) write(docroot, `${newLocation(index)}/signature-1`)
    for (const place of withdrawn) {
      const last = join(docroot, `${place}/signature-${perLocation}`)
      renameSync(last, join(docroot, `${place}/signature-2`))
    }
    rmSync(join(docroot, places[30] as string), { recursive: true })
    for (const place of inPlace) write(docroot, `${place}/signature-3`)
    await mirror(data, url)
    await assertEqual(data, docroot)
    const fetched = ofSlots(await asked(), 200)
    // Those of the locations that changed, some of them twice.
    assert.ok(fetched < (locations * perLocation) / 5, `${fetched} slots were fetched`)

    // Again within the minute, which is all that most listings show.
    for (const place of inPlace) write(docroot, `${place}/signature-3`)
    await mirror(data, url)
    await assertEqual(data, docroot)
  })
