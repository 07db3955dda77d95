import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { Refusal } from '../refusal.ts'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import { admission } from './admit.ts'
import type { AdmissionAlarm, AdmissionAnswer, AdmissionRequest, AdmissionThreadData } from './thread.ts'

/** The admission thread: OpenPGP work and commits happen here, off the thread that answers readers. */
/** How soon a change of the policy or a keyring is in force. */
const lookMilliseconds = 2000

const port = parentPort as MessagePort
const { dataFolder, rules, policy } = workerData as AdmissionThreadData
const storage = openSqlite({ dataFolder })
const trust = policy === undefined ? null : await follow(policy)
const admit = admission(storage, rules, trust?.current)

async function follow(file: string) {
  const { followTrust } = await import('../trust/trust.ts')
  return followTrust(file, {
    everyMs: lookMilliseconds,
    onError: (error) => port.postMessage({ alarm: error.message } satisfies AdmissionAlarm),
  })
}

port.on('message', (request: AdmissionRequest) => {
  if (request.kind === 'close') return void storage.close().then(() => port.close())
  admit(request.upload).then(
    (admitted) => answer({ number: request.number, admitted }),
    (error) =>
      answer(
        error instanceof Refusal
          ? { number: request.number, refused: { code: error.code, detail: error.message } }
          : { number: request.number, failed: String((error as Error).stack ?? error) },
      ),
  )
})

function answer(message: AdmissionAnswer): void {
  port.postMessage(message)
}
