import { Worker } from 'node:worker_threads'

/** A thread that another takes the place of, should it die of a fault. */
export interface LastingThread {
  /** What is said between the end of one and the start of the next is lost. */
  post(message: unknown): void
  /** Says `'stop'` and waits until it ends by itself. */
  close(): Promise<void>
}

const restartMilliseconds = 1000

/** @param file of the thread; each one that starts is given `workerData` */
export function startLastingThread<Message>(
  file: URL,
  workerData: unknown,
  { onMessage, onCrash }: { onMessage(message: Message): void; onCrash(error: Error): void },
): LastingThread {
  let closing = false
  let exited = Promise.resolve()
  const start = (): Worker => {
    const thread = new Worker(file, { workerData })
    exited = new Promise((resolve) => thread.once('exit', () => resolve()))
    thread.on('message', onMessage)
    thread.on('error', (error) => {
      onCrash(error as Error)
      setTimeout(() => {
        if (!closing) worker = start()
      }, restartMilliseconds).unref()
    })
    return thread
  }
  let worker = start()
  return {
    post: (message) => worker.postMessage(message),
    async close() {
      closing = true
      worker.postMessage('stop')
      await exited
    },
  }
}
