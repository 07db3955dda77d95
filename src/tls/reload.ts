import { watchFiles } from '../durable/watch.ts'
import { readCertificate, type ServerTlsOptions } from './certificate-files.ts'

/**
 * Calls `onChange` when the files hold another certificate than the one served and belong to each other;
 * `server.setSecureContext` takes what it is given and leaves open connections alone. The last good pair goes on being
 * served where what is there now cannot be. Returns what stops it.
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
  return watchFiles({
    files: () => [watch.cert, watch.key],
    everyMs: watch.everyMs,
    read: () => readCertificate(watch),
    take(options) {
      if (options.cert !== serving.cert || options.key !== serving.key) watch.onChange(options)
      serving = options
    },
    onError: watch.onError,
  })
}
