/** `npm run test:abuse` holds 10,000. */
export const connections = Number(process.env.CONNECTIONS ?? 300)

/** How often a list of attacks is gone through; `npm run test:abuse`: 10 times. Few reads have no 99th percentile. */
export const times = Number(process.env.TIMES ?? 1)

/** With few of them nobody waits until a server with its defaults loses patience. */
export const patience: Record<string, string> =
  connections < 1000 ? { LOOKASIDE_UPLOADS_STALL_SECONDS: '2' } : {}

/** Does something so many times, some of it at once; returns what came of each. */
export async function manyTimes<T>(
  count: number,
  work: (index: number) => Promise<T>,
  atOnce = 50,
): Promise<T[]> {
  const results: T[] = []
  const left = Array.from({ length: count }, (_, index) => index).values()
  const worker = async () => {
    for (const index of left) results[index] = await work(index)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}

/** On a busy machine a handshake takes longer than a server with little patience waits for one. */
export async function openAgain<T>(open: () => Promise<T>): Promise<T> {
  for (let left = 20; ; left--) {
    try {
      return await open()
    } catch (error) {
      if (left === 0) throw error
    }
  }
}
