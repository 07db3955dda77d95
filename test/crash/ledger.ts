import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { ask } from '../server.ts'

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A signature that was sent, and what the server has acknowledged of it. */
export interface Entry {
  repository: string
  digest: string
  sha256: string
  id: number
  state: 'unsure' | 'served' | 'withdrawn'
  /** How often it was asked to become something else. */
  orders: number
}

/** What a server must have, whatever becomes of it: all that it has ever acknowledged. */
export function newLedger() {
  const entries = new Map<string, Entry>()
  const places = new Map<string, Entry[]>()
  let acknowledged = 0

  /** Fails where what is there is not what was acknowledged before it was looked at, and not touched meanwhile. */
  const compare = async (place: string, look: (entry: Entry) => Promise<ReadonlySet<string>>) => {
    const before = (places.get(place) ?? []).map((entry) => ({ entry, ...entry }))
    const [first] = before
    if (!first) return
    const found = await look(first.entry)
    for (const { entry, state, orders } of before) {
      if (state === 'unsure' || entry.orders !== orders) continue
      const what = `${place}: signature ${entry.id}, which is ${state}`
      assert.equal(found.has(entry.sha256), state === 'served', what)
    }
    for (const each of found) assert.ok(entries.has(each), `${place}: ${each} was never sent`)
  }

  return {
    entries: () => [...entries.values()],
    places: () => [...places.keys()],
    acknowledged: () => acknowledged,

    send({ repository, digest }: Pick<Entry, 'repository' | 'digest'>, blob: Uint8Array): Entry {
      const entry: Entry = {
        repository,
        digest,
        sha256: sha256(blob),
        id: 0,
        state: 'unsure',
        orders: 0,
      }
      entries.set(entry.sha256, entry)
      const place = placeOf(entry)
      places.set(place, [...(places.get(place) ?? []), entry])
      return entry
    },

    /** While it is under way, it is neither the one nor the other. */
    async change(entry: Entry, to: 'served' | 'withdrawn', order: () => Promise<void>): Promise<void> {
      entry.orders++
      entry.state = 'unsure'
      await order()
      entry.orders++
      entry.state = to
      acknowledged++
    },

    /** As clients do: from slot 1 up to the first that is not there. A hole would hide what is behind it. */
    walk: (server: { port: number }, place: string) =>
      compare(place, async ({ repository, digest }) => {
        const found = new Set<string>()
        for (let slot = 1; ; slot++) {
          const path = `/signatures/${repository}@${digest.replace(':', '=')}/signature-${slot}`
          const { status, body } = await ask(server, 'GET', path)
          if (status === 404) return found
          assert.equal(status, 200)
          found.add(sha256(body))
        }
      }),

    list: (server: { port: number }, place: string) =>
      compare(place, async ({ repository, digest }) => {
        const query = `repository=${repository}&digest=${digest}&limit=200`
        const answer = await ask(server, 'GET', `/api/v1/signatures?${query}`)
        assert.equal(answer.status, 200)
        const { signatures } = answer.json() as { signatures: Entry[] }
        return new Set(signatures.map((each) => each.sha256))
      }),
  }
}

export type Ledger = ReturnType<typeof newLedger>

export const placeOf = ({ repository, digest }: Pick<Entry, 'repository' | 'digest'>) =>
  `${repository}@${digest}`
