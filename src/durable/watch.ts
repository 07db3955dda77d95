import { stat } from 'node:fs/promises'

/**
 * Looks at files every `everyMs`, and when one was written or replaced, hands what `read` makes of them to `take`.
 * Returns what stops it. Keeps no process alive.
 *
 * Files are replaced one after the other, so what cannot be used is no news yet: only found again at the next look is it
 * told to `onError`, once until it is repaired, and meanwhile nothing is taken. Polling, because notifications miss
 * network file systems and the symbolic links that Kubernetes swaps.
 */
export function watchFiles<Content>(watch: {
  /** May be others after each `take`. */
  files: () => readonly string[]
  everyMs: number
  read: () => Promise<Content>
  take: (content: Content) => void
  onError: (error: Error) => void
}): () => void {
  let seen: string | undefined
  let failures = 0
  let stopped = false

  async function look(): Promise<void> {
    try {
      const state = await stateOf(watch.files())
      if (state !== seen) {
        const content = await watch.read()
        if (stopped) return
        watch.take(content)
        seen = state
      }
      failures = 0
    } catch (error) {
      failures += 1
      if (failures === 2 && !stopped) watch.onError(error as Error)
    }
    if (!stopped) timer = setTimeout(look, watch.everyMs).unref()
  }

  let timer = setTimeout(look, watch.everyMs).unref()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

/** Differs whenever one of the files was written or replaced. */
async function stateOf(paths: readonly string[]): Promise<string> {
  const files = await Promise.all(paths.map((path) => stat(path, { bigint: true })))
  return files
    .map(({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(':'))
    .join(' ')
}
