import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import type { SigningKey } from '../mirror/signing-key.ts'
import { ask } from '../server.ts'
import { type Entry, type Ledger, placeOf } from './ledger.ts'

export interface LoadTarget {
  /** Where the server is, or will be again. */
  port: number
  token: string
  ledger: Ledger
  /** By the first of these almost everything is signed; the other is banned, and let in again. */
  keys: [SigningKey, SigningKey]
  stopped(): boolean
}

const askAgainMilliseconds = 100

/** Longer than any server needs to be there again. */
const patienceMilliseconds = 120_000

/** On average, between what one client does and the next: starts need the processors too. */
const pauseMilliseconds = 20

/** Of a digest that clients can read, half: what is withdrawn leaves its slot later than it goes. */
const uploadsPerDigest = 60

/** All that can be asked of a server, at once, by clients that ask again until they are answered. */
export function mixedLoad(target: LoadTarget): Promise<unknown> {
  const signers = Array.from({ length: 6 }, (_, index) => signer(target, index))
  return Promise.all([...signers, banner(target), reader(target), reader(target)])
}

async function signer(target: LoadTarget, number: number): Promise<void> {
  const { ledger, keys, stopped } = target
  const own: Entry[] = []
  for (let uploads = 0; !stopped(); await pause()) {
    const chance = Math.random()
    const entry = own[Math.floor(Math.random() * own.length)]
    if (chance < 0.15 && entry?.state === 'served') await withdraw(target, entry)
    else if (chance < 0.3 && entry?.state === 'withdrawn')
      await ledger.change(entry, 'served', async () => {
        await insist(target, 'POST', `/api/v1/signatures/${entry.id}/reinstate?reason=test`)
      })
    else {
      const repository = `team/app-${number}`
      const digest = digestOf(Math.floor(uploads / uploadsPerDigest))
      own.push(await upload(target, keys[0], { repository, digest }, uploads++))
    }
  }
}

/** A key is banned with what it has signed, which is refused then, and taken again when the ban is lifted. */
async function banner(target: LoadTarget): Promise<void> {
  const { ledger, keys, stopped } = target
  const key = keys[1]
  const path = `/api/v1/banned-keys/${key.fingerprint}`
  for (let number = 0; !stopped(); number += 2) {
    await pause()
    const place = { repository: 'team/banned', digest: digestOf(Math.floor(number / uploadsPerDigest)) }
    const entry = await upload(target, key, place, number)
    await ledger.change(entry, 'withdrawn', async () => {
      await insist(target, 'PUT', `${path}?reason=test`)
    })
    const blob = key.sign(number + 1, place)
    const refused = await insist(target, 'POST', '/api/v1/signatures', blob, 409)
    assert.equal(refused.code, 'key-banned')
    await insist(target, 'DELETE', path, undefined, 404)
  }
}

/** Where the server is gone, it comes again. */
async function reader({ ledger, port, stopped }: LoadTarget): Promise<void> {
  for (; !stopped(); await pause()) {
    const places = ledger.places()
    const place = places[Math.floor(Math.random() * places.length)]
    try {
      if (!place) continue
      await ledger.walk({ port }, place)
      await ledger.list({ port }, place)
      const served = ledger.entries().find(({ state }) => state === 'served')
      const orders = served?.orders
      const answer = await ask({ port }, 'GET', '/signatures/team/')
      // Before the first one, and where it went meanwhile, nothing need be there.
      if (served?.state === 'served' && served.orders === orders) assert.equal(answer.status, 200)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      await wait(askAgainMilliseconds)
    }
  }
}

async function upload(
  target: LoadTarget,
  key: SigningKey,
  place: Pick<Entry, 'repository' | 'digest'>,
  tag: number,
): Promise<Entry> {
  const blob = key.sign(tag, place)
  const entry = target.ledger.send(place, blob)
  await target.ledger.change(entry, 'served', async () => {
    const document = await insist(target, 'POST', '/api/v1/signatures', blob)
    entry.id = document.id
    assert.equal(placeOf(document), placeOf(place))
  })
  return entry
}

const withdraw = (target: LoadTarget, entry: Entry) =>
  target.ledger.change(entry, 'withdrawn', async () => {
    await insist(target, 'DELETE', `/api/v1/signatures/${entry.id}?reason=test`)
  })

/** Asks until it is answered; a repeated order may be answered with `also`. */
async function insist(
  { port, token }: LoadTarget,
  method: string,
  path: string,
  body?: Buffer,
  also?: number,
): Promise<Entry & { code: string }> {
  const deadline = performance.now() + patienceMilliseconds
  while (performance.now() < deadline) {
    const answer = await ask({ port }, method, path, { token, ...(body && { body }) }).catch(() => null)
    if (answer && (answer.status < 300 || answer.status === also)) return answer.json()
    assert.ok(!answer || answer.status === 503, `${method} ${path}: ${answer?.status} ${answer?.body}`)
    await wait(askAgainMilliseconds)
  }
  throw new Error(`${method} ${path} has had no answer for ${patienceMilliseconds} ms`)
}

const digestOf = (number: number) => `sha256:${String(number).padStart(64, '0')}`

const pause = () => wait(Math.random() * 2 * pauseMilliseconds)
