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

/** Of work whose end is not known. */
export function counter(unit: string): Progress {
  return start(`{value} ${unit}`, 0)
}

function start(format: string, total: number): Progress {
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
    update: (done) => shown.update(done),
    stop() {
      if (!stopped) shown.stop()
      stopped = true
    },
  }
}
