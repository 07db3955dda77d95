import type { PreparedHead } from './prepared-answer.ts'

/** A slot as it goes out: head and body are ready. */
export interface PreparedSlot {
  etag: string
  /** Unix seconds; infinite where no date says that it is unchanged. */
  modified: number
  head: PreparedHead
  /** The blob, a character a byte: Node sends it together with the head in one write. */
  body: string
}

/** The slots of a location, slot 1 first; empty where nothing is signed, which is as worth remembering. */
export interface PreparedLocation {
  slots: readonly PreparedSlot[]
  /** Unix milliseconds at which some of them go; infinite as a rule. */
  until: number
}

/** What an entry takes in memory besides the characters of its strings, in bytes: measured on Node 26. */
const entryOverhead = 200
const slotOverhead = 600

interface Entry {
  key: string
  location: PreparedLocation
  bytes: number
  /** Asked for since it came, or since the hand last passed. */
  visited: boolean
  newer: Entry | null
  older: Entry | null
}

/**
 * Remembers locations by their path, within a bound in bytes. What goes when it is full is chosen by SIEVE (Zhang et
 * al., NSDI 2024): what nobody has asked for again goes first, so a scan over names that do not exist cannot push out
 * what is in use.
 */
export function slotCache(maxBytes: number) {
  const entries = new Map<string, Entry>()
  let newest: Entry | null = null
  let oldest: Entry | null = null
  let hand: Entry | null = null
  let bytes = 0

  const remove = (entry: Entry) => {
    if (hand === entry) hand = entry.newer
    if (entry.newer) entry.newer.older = entry.older
    else newest = entry.older
    if (entry.older) entry.older.newer = entry.newer
    else oldest = entry.newer
    entries.delete(entry.key)
    bytes -= entry.bytes
  }

  const evictOne = () => {
    let entry = hand ?? oldest
    while (entry?.visited) {
      entry.visited = false
      entry = entry.newer ?? oldest
    }
    if (!entry) return
    hand = entry
    remove(entry)
  }

  const forget = (key: string) => {
    const entry = entries.get(key)
    if (entry) remove(entry)
  }

  return {
    get(key: string): PreparedLocation | undefined {
      const entry = entries.get(key)
      if (!entry) return undefined
      entry.visited = true
      return entry.location
    },
    put(key: string, location: PreparedLocation) {
      forget(key)
      const entry = { key, location, bytes: weigh(key, location), visited: false, newer: null, older: newest }
      if (newest) newest.newer = entry
      else oldest = entry
      newest = entry
      entries.set(key, entry)
      bytes += entry.bytes
      while (bytes > maxBytes) evictOne()
    },
    forget,
    clear() {
      entries.clear()
      newest = oldest = hand = null
      bytes = 0
    },
  }
}

export type SlotCache = ReturnType<typeof slotCache>

function weigh(key: string, { slots }: PreparedLocation): number {
  return slots.reduce((sum, { body }) => sum + slotOverhead + body.length, entryOverhead + key.length)
}
