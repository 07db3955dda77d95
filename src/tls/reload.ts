import { stat } from 'node:fs/promises'
import { readCertificate, type ServerTlsOptions } from './certificate-files.ts'

/**
 * Looks at both files every `everyMs` and calls `onChange` when they hold another certificate than the one served and
 * belong to each other; `server.setSecureContext` takes what it is given and leaves open connections alone. Returns
 * what stops it. Keeps no process alive.
 *
 * The files are replaced one after the other, so a pair that does not match is no news yet: only found again at the
 * next look is it told to `onError`, once until it is repaired, while the last good pair goes on being served. Polling,
 * because notifications miss network file systems and the symbolic links that Kubernetes swaps.
 */
export function watchCertificate(watch: {
  cert: string
  key: string
  everyMs: number
  serving: ServerTlsOptions
  onChange: (options: ServerTlsOptions) => void
  onError: (error: Error) => void
}): () => void {
  let { serving } = watch
  let seen: string | undefined
  let failures = 0
  let stopped = false

  async function look(): Promise<void> {
    try {
      const state = await stateOf(watch)
      if (state !== seen) await take(state)
      failures = 0
    } catch (error) {
      failures += 1
      if (failures === 2 && !stopped) watch.onError(error as Error)
    }
    if (!stopped) timer = setTimeout(look, watch.everyMs).unref()
  }

  async function take(state: string): Promise<void> {
    const options = await readCertificate(watch)
    if (stopped) return
    if (options.cert !== serving.cert || options.key !== serving.key) watch.onChange(options)
    serving = options
    seen = state
  }

  let timer = setTimeout(look, watch.everyMs).unref()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

/** Differs whenever one of the files was written or replaced. */
async function stateOf({ cert, key }: { cert: string; key: string }): Promise<string> {
  const files = await Promise.all([cert, key].map((path) => stat(path, { bigint: true })))
  return files
    .map(({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(':'))
    .join(' ')
}
