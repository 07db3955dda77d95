import { SingleBar } from 'cli-progress'

/** Progress on standard error: shown on a terminal, nothing in a pipe. */
export interface Progress {
  update(done: number): void
  stop(): void
}

/** Of work whose end is known. */
export function bar(total: number, unit: string): Progress {
  return start(`{bar} {value}/{total} ${unit}  {eta_formatted} left`, total)
}

/** Of work whose end is told on the way. */
export function growingBar(
  unit: string,
): Omit<Progress, 'update'> & { update(done: number, total: number): void } {
  return start(`{bar} {value}/{total} ${unit}  {eta_formatted} left`, 0)
}

/** Of work whose end is not known. */
export function counter(unit: string): Progress {
  return start(`{value} ${unit}`, 0)
}

function start(format: string, total: number) {
  const shown = new SingleBar({
    format,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    noTTYOutput: false,
  })
  shown.start(total, 0)
  let stopped = false
  return {
    update(done: number, ofTotal?: number) {
      if (ofTotal !== undefined) shown.setTotal(ofTotal)
      shown.update(done)
    },
    stop() {
      if (!stopped) shown.stop()
      stopped = true
    },
  }
}
