import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import { suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../eventually.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { signedBy } from './machine.ts'
import { accepted, startSite } from './site.ts'

/** Longer than a client needs for one walk, and so short that slots leave while the tests run. */
const graceSeconds = 6

const site = await startSite(async () => ({ withdraw: { graceSeconds } }))
const { server, gnupg } = site
const token = await server.token('push:**', 'withdraw:**')
const ca = readFileSync(server.ca)
const agent = new Agent({ keepAlive: true, ca })

interface Answered {
  status: number
  body: Buffer
}

/** One request, on one of the connections that are open, so that both processes of the server are asked. */
function ask(method: string, path: string, body?: Uint8Array): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const headers = { authorization: `Bearer ${token}` }
  const sent = httpsRequest(`${server.url}${path}`, { method, headers, agent }, (response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk) => chunks.push(chunk)).on('error', reject)
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
  })
  sent.on('error', reject).end(body)
  return promise
}

async function upload(blob: Uint8Array): Promise<number> {
  const { status, body } = await ask('POST', '/api/v1/signatures', blob)
  assert.equal(status, 201, body.toString())
  return JSON.parse(body.toString()).id
}

async function withdraw(id: number): Promise<void> {
  const { status, body } = await ask('DELETE', `/api/v1/signatures/${id}?reason=test`)
  assert.equal(status, 200, body.toString())
  assert.equal(JSON.parse(body.toString()).withdrawn.length, 1)
}

/** What a client finds that begins with slot 1 and ends with the first that is not there. */
async function walk(location: string, between = async () => {}): Promise<Buffer[]> {
  const found: Buffer[] = []
  for (;;) {
    const { status, body } = await ask('GET', `/signatures/${location}/signature-${found.length + 1}`)
    if (status === 404) return found
    assert.equal(status, 200)
    found.push(body)
    await between()
  }
}

suite('while signatures are withdrawn', async () => {
  const alice = await gnupg.newKey('alice')
  const stranger = await gnupg.newKey('stranger', 'rsa2048', '20240101T000000')
  const image = await site.publish('team/app')
  const others: number[] = []
  for (let second = 10; second < 26; second++) {
    const file = await site.signFile(image, stranger, undefined, `20240102T0000${second}`)
    others.push(await upload(readFileSync(file)))
  }
  const last = Buffer.from(await gnupg.signClaim(alice, image))
  await upload(last)

  test('skopeo, that requires the key of the last slot, never fails', async () => {
    const machines = [
      await site.configuredMachine(),
      await site.configuredMachine(),
      await site.configuredMachine(),
    ]
    let done = false
    let pulls = 0
    const pullOn = async (machine: (typeof machines)[number]) => {
      machine.require(signedBy(alice))
      while (!done) {
        accepted(await machine.skopeo(['copy', `docker://${image.reference}`, `dir:${machine.newFolder()}`]))
        pulls++
      }
    }
    const pulling = Promise.all(machines.map(pullOn))
    const withdrawing = async () => {
      // From the middle outwards, so that the last live one moves each time.
      for (const [index, id] of others.toSorted((a, b) => ((a * 7) % 17) - ((b * 7) % 17)).entries()) {
        const before = pulls
        await withdraw(id)
        // Some pulls begin with slots as they are between two withdrawals; others see several of them.
        if (index % 3 === 0) await eventually(async () => pulls > before || done)
      }
      await eventually(async () => done || (await walk(image.location)).length === 1)
    }
    await Promise.race([pulling, withdrawing()]).finally(() => {
      done = true
    })
    await pulling
    assert.ok(pulls >= 9, `${pulls} pulls`)
    assert.deepEqual(await walk(image.location), [last])
  })
})

test('each walk of a reader finds every signature that was live throughout it, and no other bytes', async () => {
  const digest = exampleDigest('d')
  const location = `team/walked@${digest.replace(':', '=')}`
  /** By its text: when it was there for certain, and when it may have begun to go. */
  const known = new Map<string, { id: number; there: number; goes: number }>()
  const add = async () => {
    const blob = newBlob({ digest, reference: 'registry.example.com/team/walked:1' })
    // It may be read before its upload is answered.
    const entry = { id: 0, there: Number.POSITIVE_INFINITY, goes: Number.POSITIVE_INFINITY }
    known.set(blob.toString('latin1'), entry)
    entry.id = await upload(blob)
    entry.there = performance.now()
  }
  const live = () =>
    [...known.values()].filter(({ there, goes }) => there < goes && goes === Number.POSITIVE_INFINITY)
  for (let count = 0; count < 24; count++) await add()

  let done = false
  let walks = 0
  let moved = 0
  const reader = async (pace: number) => {
    while (!done) {
      const start = performance.now()
      const found = new Set((await walk(location, () => pause(pace))).map((blob) => blob.toString('latin1')))
      const end = performance.now()
      for (const text of found) assert.ok(known.has(text), 'these bytes were never uploaded')
      // Slots keep their place for the time of grace, of which one second may be missing, as their times have whole ones.
      if (end - start > (graceSeconds - 1) * 1000) continue
      for (const [text, { id, there, goes }] of known)
        if (there < start && goes > end) assert.ok(found.has(text), `signature ${id} was not found`)
      walks++
      if ([...known.values()].some(({ goes }) => goes > start && goes < end)) moved++
    }
  }
  const reading = Promise.all([0, 1, 5, 20].map(reader))
  const changing = async () => {
    for (let change = 0; change < 60 && !done; change++) {
      const all = live()
      const chosen = all[(change * 13) % all.length] as (typeof all)[number]
      chosen.goes = performance.now()
      await withdraw(chosen.id)
      if (change % 5) await add()
    }
    // Until slots leave, which readers are to see too.
    const { length } = await walk(location)
    await eventually(async () => done || (await walk(location)).length < length - 1)
  }
  await Promise.race([reading, changing()]).finally(() => {
    done = true
  })
  await reading
  assert.deepEqual(
    new Set((await walk(location)).map((blob) => known.get(blob.toString('latin1'))?.id)),
    new Set(live().map(({ id }) => id)),
  )
  assert.ok(walks >= 20 && moved >= 5, `${walks} walks, of which ${moved} were overtaken by a withdrawal`)
})
