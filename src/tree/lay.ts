import { setTimeout as wait } from 'node:timers/promises'
import type { Location } from '../reference/tree-path.ts'
import type { Reading } from '../storage/storage.ts'
import type { Writer } from './writer.ts'

/** Longer than a reader takes to walk up the slots of an image. */
const walkMilliseconds = 1000

/**
 * Makes a location what the database says now, whatever it was: safe to repeat, and to resume after a crash at any
 * point. Slots appear lowest first and are whole when they appear, each file with the time of its slot: tools that copy
 * the tree go by size and time. All is durable after the next `sync` of the writer.
 * A file that no stored signature explains is kept apart, never overwritten or deleted.
 */
export async function layLocation(
  storage: Pick<Reading, 'slots' | 'holds'>,
  writer: Writer,
  location: Location,
): Promise<void> {
  const slots = await storage.slots(location)
  const strays = await writer.list(location)
  /** What was put in lower slots just now: a reader who is past those finds it only where it was. */
  const movedDown = new Set<string>()
  const letReadersPass = async (sha256: string | null | undefined) => {
    if (!sha256 || !movedDown.has(sha256)) return
    // Only where the tree was behind by the whole grace time that the database gave.
    await wait(walkMilliseconds)
    movedDown.clear()
  }
  const isExplained = async (sha256: string | null) => sha256 !== null && (await storage.holds(sha256))

  for (const { slot, sha256, modified, blob } of slots) {
    const name = `signature-${slot}`
    const found = strays.get(name)
    if (strays.delete(name)) {
      if (found === sha256) continue
      if (!(await isExplained(found ?? null))) await writer.rescue(location, name)
    }
    await letReadersPass(found)
    await writer.put(location, name, blob, modified)
    movedDown.add(sha256)
  }
  // From the last slot down: a reader that walks up never meets a hole.
  for (const [name, sha256] of [...strays].sort(bySlotDescending)) {
    await letReadersPass(sha256)
    if (await isExplained(sha256)) await writer.remove(location, name)
    else await writer.rescue(location, name)
  }
  await writer.settle(location, slots.length === 0)
}

function bySlotDescending([a]: [string, unknown], [b]: [string, unknown]): number {
  return b.localeCompare(a, 'en', { numeric: true })
}
