import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { constants } from 'node:os'

/** What becomes of the operation that is hit. Halfway: half of its bytes are written. Without power, what is not synced is gone. */
export const faults = {
  'killed before': { kind: 1 },
  'killed after': { kind: 2 },
  'killed halfway': { kind: 3 },
  'without power': { kind: 5 },
  EIO: { kind: 4, error: constants.errno.EIO, times: 1 },
  ENOSPC: { kind: 4, error: constants.errno.ENOSPC, times: 1 },
  'EIO ten times': { kind: 4, error: constants.errno.EIO, times: 10 },
} as const

export type Fault = keyof typeof faults

/** The file that a server with faults.so maps: `struct plan` in faults.c. */
export interface FaultPlan {
  file: string
  /** From here on operations are points. */
  arm(): void
  /** How many there were so far. */
  points(): number
  /** How many of them were hit. */
  hits(): number
}

const word = { armed: 0, points: 1, at: 2, kind: 3, error: 4, times: 5, hits: 6 }

/** Not armed yet. @param at which point is hit, from 1; null: none, they are counted */
export function planFault(file: string, at: number | null, fault: Fault | null): FaultPlan {
  const { kind, error = 0, times = 0 } = fault ? { error: 0, times: 0, ...faults[fault] } : { kind: 0 }
  const words = new Uint32Array(Object.keys(word).length)
  words.set([at ?? 0, kind, error, times], word.at)
  writeFileSync(file, words)
  const access = <T>(use: (descriptor: number) => T): T => {
    const descriptor = openSync(file, 'r+')
    try {
      return use(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }
  const read = (index: number) =>
    access((descriptor) => {
      const value = new Uint32Array(1)
      readSync(descriptor, value, 0, 4, index * 4)
      return value[0] as number
    })
  return {
    file,
    // In place, where the server has it mapped.
    arm: () => void access((descriptor) => writeSync(descriptor, new Uint32Array([1]), 0, 4, word.armed)),
    points: () => read(word.points),
    hits: () => read(word.hits),
  }
}
