import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { home, newSignature, type Opened } from './contract.ts'
import { start } from './judged.ts'

const why = { actor: 'token:1 ops', reason: 'published by mistake' }

/** What every storage must show to readers who walk up the slots meanwhile. `open` gives an empty one. */
export function walkContract(name: string, open: (clock?: () => number) => Opened): void {
  describe(`walking in ${name}`, () => {
    test('whatever comes and goes, slots are contiguous, times grow, and a walk misses nothing that stays', async () => {
      const short = 8
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const) }) },
        {
          weight: 4,
          arbitrary: fc.record({ do: fc.constant('withdraw' as const), which: fc.nat(6), also: fc.nat(20) }),
        },
        {
          weight: 3,
          arbitrary: fc.record({
            do: fc.constant('wait' as const),
            seconds: fc.constantFrom(1, 2, 3, short),
          }),
        },
        { weight: 4, arbitrary: fc.record({ do: fc.constant('walk' as const) }) },
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60, size: 'max' }), async (steps) => {
          const time = { seconds: start }
          const { storage } = open(() => time.seconds * 1000)
          const live = new Map<number, string>()
          const seenAt = new Map<string, number>()
          /** Readers under way: at which slot, since when, what stayed all the time, and what they have read. */
          let walks: { slot: number; since: number; stays: Set<string>; read: Set<string> }[] = []
          for (const each of steps) {
            if (each.do === 'wait') {
              time.seconds += each.seconds
              while (!(await storage.endGrace(10, short)));
            } else if (each.do === 'add') {
              const signature = newSignature()
              const { signature: stored } = await storage.append(signature)
              live.set(stored.id, signature.sha256)
            } else if (each.do === 'withdraw') {
              const ids = [...live.keys()]
              const chosen = [ids[each.which], ids[each.also]].filter((id) => id !== undefined)
              time.seconds += 1
              await storage.withdraw(chosen, { ...why, graceSeconds: short })
              for (const id of chosen) live.delete(id)
            } else
              walks.push({ slot: 1, since: time.seconds, stays: new Set(live.values()), read: new Set() })

            const slots = await storage.slots(home('team/app'))
            assert.deepEqual(
              slots.map(({ slot }) => slot),
              slots.map((_, index) => index + 1),
            )
            assert.deepEqual(new Set(slots.map(({ sha256 }) => sha256)), new Set(live.values()))
            for (const { slot, sha256, modified } of slots) {
              const key = `${slot} ${modified}`
              const before = seenAt.get(key)
              const is = Number.parseInt(sha256.slice(0, 12), 16)
              assert.ok(before === undefined || before === is, 'a slot has other bytes at the same time')
              seenAt.set(key, is)
            }
            walks = walks.filter(({ since }) => time.seconds - since < short)
            for (const walk of walks) {
              for (const sha256 of walk.stays)
                if (![...live.values()].includes(sha256)) walk.stays.delete(sha256)
              const slot = slots[walk.slot - 1]
              if (slot) walk.read.add(slot.sha256)
              else if (walk.slot > 0) {
                assert.ok(walk.stays.isSubsetOf(walk.read), 'a reader has missed one')
                walk.slot = Number.NEGATIVE_INFINITY
              }
              walk.slot++
            }
          }
          assert.deepEqual(await storage.integrity(), [])
          await storage.close()
        }),
        { numRuns: 100 },
      )
    })
  })
}
