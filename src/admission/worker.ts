import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { giveWay } from '../give-way.ts'
import { Refusal } from '../refusal.ts'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import { followOperatorTrust } from '../trust/operator.ts'
import { admission } from './admit.ts'
import { gateKeeper } from './gates.ts'
import type {
  AdmissionAnswer,
  AdmissionNews,
  AdmissionRequest,
  AdmissionResult,
  AdmissionThreadData,
  AdmissionWork,
} from './thread.ts'
import { verdictKeeper } from './verdicts.ts'
import { withdrawals } from './withdraw.ts'

/** How soon a change of a policy or a keyring is in force, and how far stored verdicts may be behind the clock. */
const lookMilliseconds = 1000

/** The admission thread: OpenPGP work and commits happen here, off the thread that answers readers. */
giveWay('admission')
const port = parentPort as MessagePort
const { dataFolder, rules, trust: settings, graceSeconds } = workerData as AdmissionThreadData
const storage = openSqlite({ dataFolder })
const keeper = verdictKeeper(storage)

/** Locations at which slots that have had their grace go in one transaction. */
const graceAtOnce = 100

let closing = false
let timer: NodeJS.Timeout | undefined
let keeping = Promise.resolve()

/** What is wrong is told once. */
let isBehind = false
let warned = new Set<string>()
const broken = new Set<string>()

async function step(stopped: () => boolean): Promise<void> {
  try {
    await keeper.step(stopped)
    // Whichever process does it first: where nothing is due, it costs nothing.
    while (!(await storage.endGrace(graceAtOnce, graceSeconds)) && !stopped());
    isBehind = false
  } catch (error) {
    const { message: problem } = error as Error
    if (!isBehind) tell('error', 'stored verdicts are behind; it is tried again', { problem })
    isBehind = true
  }
}

/** One step after the other; each sets the time of the next. */
function keepVerdicts(): void {
  clearTimeout(timer)
  keeping = keeping
    .then(() => step(() => closing))
    .then(() => {
      clearTimeout(timer)
      if (!closing) timer = setTimeout(keepVerdicts, lookMilliseconds)
    })
}

const trust = await followOperatorTrust(settings, {
  everyMs: lookMilliseconds,
  onChange({ keyring, warnings }, policy) {
    keeper.use(keyring)
    if (policy !== null) keepVerdicts()
    if (policy !== null && broken.delete(policy)) tell('info', 'the policy can be used again', { policy })
    for (const problem of warnings.filter((warning) => !warned.has(warning)))
      tell('warn', 'something in a policy or keyring is left out', { problem })
    warned = new Set(warnings)
  },
  onError(policy, { message: problem }) {
    broken.add(policy)
    tell('error', 'the policy cannot be used; the last good one stays in force', { policy, problem })
  },
})
// Which keys vouch is known, if it can be, before anything is admitted; what they issued before is tried meanwhile.
keeping = keeping.then(() => step(() => true))
await keeping
keepVerdicts()
const admit = admission(storage, rules, trust.current)
const gates = gateKeeper(storage, rules.registries, trust.current)
const { withdraw, reinstate, ban, unban } = withdrawals(storage, admit, graceSeconds)

function carryOut(work: AdmissionWork): Promise<AdmissionResult> {
  switch (work.kind) {
    case 'admit':
      return admit(work.upload)
    case 'ask':
      return gates.ask(work.question)
    case 'demands':
      return gates.demands(work.gate)
    case 'record':
      return storage.record(work.entries)
    case 'probe':
      return storage.touch().then(() => ({ brokenPolicies: [...broken] }))
    case 'withdraw':
      return withdraw(work.order)
    case 'reinstate':
      return reinstate(work.order)
    case 'ban':
      return ban(work.order)
    case 'unban':
      return unban(work.order)
  }
}

port.on('message', (message: AdmissionRequest) => {
  if (message === 'close') return void close()
  for (const { number, ...work } of message)
    carryOut(work).then(
      (result) => answer({ number, result }),
      (error) =>
        answer(
          error instanceof Refusal
            ? { number, refused: { code: error.code, detail: error.message, about: error.about } }
            : { number, failed: String((error as Error).stack ?? error) },
        ),
    )
})

async function close(): Promise<void> {
  closing = true
  clearTimeout(timer)
  trust.stop()
  await keeping
  keeper.close()
  await storage.close()
  port.close()
}

let answers: AdmissionAnswer[] = []

/** What is answered in one go, as after a commit, is one message. */
function answer(message: AdmissionAnswer): void {
  if (answers.push(message) > 1) return
  process.nextTick(() => {
    port.postMessage(answers)
    answers = []
  })
}

function tell(level: AdmissionNews['level'], news: string, about: Record<string, string>): void {
  port.postMessage({ level, news, about } satisfies AdmissionNews)
}
