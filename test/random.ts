export interface Random {
  /** From 0 to below `limit`. */
  below(limit: number): number
  pick<Value>(values: readonly Value[]): Value
  octets(count: number): Buffer
}

/** The same for the same seed: what a test chooses at random, it chooses again. Mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
  return {
    below,
    pick: (values) => values[below(values.length)] as (typeof values)[number],
    octets: (count) => Buffer.from(Array.from({ length: count }, () => below(256))),
  }
}
