import { Worker } from 'node:worker_threads'

/** A thread that another takes the place of, should it die of a fault; also where none can be made for a while. */
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
  let worker: Worker | null = null
  let exited = Promise.resolve()
  const start = () => {
    if (closing) return
    try {
      const thread = new Worker(file, { workerData })
      exited = new Promise((resolve) => thread.once('exit', () => resolve()))
      thread.on('message', onMessage)
      thread.on('error', crashed)
      worker = thread
    } catch (error) {
      // As where the process may have no more threads.
      crashed(error as Error)
    }
  }
  const crashed = (error: Error) => {
    worker = null
    onCrash(error)
    setTimeout(start, restartMilliseconds).unref()
  }
  start()
  return {
    post: (message) => worker?.postMessage(message),
    async close() {
      closing = true
      worker?.postMessage('stop')
      await exited
    },
  }
}
