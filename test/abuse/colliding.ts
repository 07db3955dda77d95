/**
 * Keys whose hashes a table of up to 2^18 places takes for one where the hash of a whole number is the number, as it was in V8
 * without a seed (CVE-2026-21717).
 */
export function collidingIntegers(count: number): string[] {
  return Array.from({ length: count }, (_, at) => String((at + 1) * 2 ** 18))
}

/** As many, of the same lengths, that nothing makes collide. */
export function otherIntegers(count: number): string[] {
  return collidingIntegers(count).map((text, at) => String(Number(text) + ((at * 7919) % 2 ** 18)))
}
