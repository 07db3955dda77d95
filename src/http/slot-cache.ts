/** A slot as it goes out: every header and the body are ready. */
export interface PreparedSlot {
  etag: string
  /** Unix seconds. */
  modified: number
  found: string[]
  notModified: string[]
  /** The blob, a character a byte: Node sends it together with the headers in one write. */
  body: string
}

/** The slots of a location, slot 1 first; empty where nothing is signed, which is as worth remembering. */
export type PreparedLocation = readonly PreparedSlot[]

/** What an entry weighs besides its bodies: key, headers, objects. */
const entryOverhead = 400
const slotOverhead = 900

/**
 * Remembers locations by their path, within a bound in bytes. Two generations: what was asked for since the last turn
 * is kept, what was not is dropped whole, so a scan over names that do not exist cannot push out what is in use.
 */
export function slotCache(maxBytes: number) {
  let young = new Map<string, PreparedLocation>()
  let old = new Map<string, PreparedLocation>()
  let youngBytes = 0

  const put = (key: string, location: PreparedLocation) => {
    young.set(key, location)
    youngBytes += entryOverhead + key.length
    for (const { body } of location) youngBytes += slotOverhead + body.length
    if (youngBytes * 2 <= maxBytes) return
    old = young
    young = new Map()
    youngBytes = 0
  }

  return {
    get(key: string): PreparedLocation | undefined {
      const location = young.get(key)
      if (location) return location
      const kept = old.get(key)
      if (kept) {
        old.delete(key)
        put(key, kept)
      }
      return kept
    },
    put,
    forget(key: string) {
      young.delete(key)
      old.delete(key)
    },
    clear() {
      young.clear()
      old.clear()
      youngBytes = 0
    },
  }
}

export type SlotCache = ReturnType<typeof slotCache>
