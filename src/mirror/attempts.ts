import type { MirrorConfig } from '../config/config.ts'
import { Refusal } from '../refusal.ts'
import { pause } from './fetch.ts'
import type { Tell } from './news.ts'
import type { MirrorStatus, StatusKeeper } from './status.ts'
import { HeldBack, oneLine, SourceTrouble } from './trouble.ts'

const firstRetryMilliseconds = 1000
const maxRetryMilliseconds = 60_000

/** Without `follow`, a source that fails so often in a row, and brings nothing meanwhile, is given up. */
const maxAttempts = 4

/**
 * Copies once, or again and again; where that fails, later and later, and at another moment than others do.
 * @throws without `follow`, what keeps the source from being read
 */
export async function keepCopying(
  copy: () => Promise<void>,
  run: {
    mirror: Pick<MirrorConfig, 'everySeconds'>
    options: { follow: boolean; signal: AbortSignal }
    status: StatusKeeper
    tell: Tell
    clock: () => number
  },
): Promise<void> {
  const { mirror, options, status, tell, clock } = run
  const { follow, signal } = options
  let failures = 0
  while (!signal.aborted) {
    const before = progressOf(status.current())
    let rest = mirror.everySeconds * 1000 * (0.9 + Math.random() * 0.2)
    try {
      await copy()
      failures = 0
      if (!follow) return
    } catch (error) {
      if (signal.aborted) return
      const problem = oneLine(error)
      if (error instanceof HeldBack) {
        failures = 0
        status.update({ state: 'held', lastError: problem })
        tell.held(problem)
        if (!follow) return
      } else {
        failures = progressOf(status.current()) === before ? failures + 1 : 1
        status.update({ state: 'failing', lastError: problem })
        tell.failing(problem)
        if (!follow && (failures >= maxAttempts || isOwnFault(error))) throw error
        rest = retryMilliseconds(error, failures)
      }
    }
    status.update({ nextContact: clock() + rest })
    await pause(rest, signal)
  }
}

/** What the source cannot mend. */
function isOwnFault(error: unknown): boolean {
  return error instanceof Refusal && error.code !== 'busy'
}

/** Differs once something came of an attempt. */
function progressOf({ lastCurrent, lastChange, added, present, removed }: MirrorStatus): string {
  return [lastCurrent, lastChange, added, present, removed].join()
}

function retryMilliseconds(error: unknown, failures: number): number {
  const atLeast = error instanceof SourceTrouble ? error.retryAfterSeconds * 1000 : 0
  const delay = Math.min(maxRetryMilliseconds, firstRetryMilliseconds * 2 ** Math.min(failures - 1, 10))
  return atLeast + delay * (0.5 + Math.random() / 2)
}
