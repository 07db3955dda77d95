import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readKeyring } from '../../src/openpgp/keyring.ts'
import { readMessage } from '../../src/openpgp/message.ts'
import { verifyMessage } from '../../src/openpgp/verdict.ts'
import { fixture } from '../openpgp/fixture.ts'
import { certification, ed25519Pair, forgeKey, keyPacket, userIdPacket } from '../openpgp/forge.ts'
import type { Sample, Subject } from './compare.ts'
import { installed } from './installed.ts'
import { type Benchmark, compareAndSay } from './settings.ts'

/** As many as an operator has that trusts every team of a large house. */
const keysInKeyring = 300

const algorithms = { 'RSA-2048': 'rsa2048', 'RSA-4096': 'rsa4096', Ed25519: 'ed25519', 'P-256': 'nistp256' }

const perTurn = 200

export const verifying: Benchmark = {
  without: { gpg: 'gpg --verify' },
  async run(settings) {
    const gpg = installed('gpg')
    const peer = gpg ? gpgVerifying(join(settings.scratch, 'verifying'), gpg) : null
    try {
      const title = `Verify: one signature by a keyring of ${keysInKeyring} keys, on one thread`
      const subjects = [...(peer ? [peer] : []), ...(await byAlgorithm())]
      await compareAndSay(settings, title, 'signatures', subjects)
    } finally {
      peer?.stop()
    }
  },
}

/** What the keys add to an upload, once its message is read: the verdict of a keyring of many keys, by algorithm. */
async function byAlgorithm(): Promise<Subject[]> {
  const others = Array.from({ length: keysInKeyring - Object.keys(algorithms).length }, (_, index) => {
    const key = forgeKey(ed25519Pair(), 1_700_000_000)
    const name = `signer ${index}`
    return Buffer.concat([keyPacket(key), userIdPacket(name), certification(key, name)])
  })
  const files = Object.values(algorithms).map((name) => fixture(`keyrings/${name}.gpg`))
  const keyring = await readKeyring(...others, ...files)
  return Object.entries(algorithms).map(([name, file]) => {
    const message = readMessage(fixture(`keyrings/${file}.sig`))
    const verify = () => verifyMessage(message, keyring, Date.now() / 1000)
    if (verify().verdict !== 'valid') throw new Error(`${file} is not valid`)
    return { name, measure: async (seconds) => measure(seconds, verify) }
  })
}

function measure(seconds: number, work: () => unknown): Sample {
  const [start, before] = [performance.now(), process.cpuUsage()]
  let count = 0
  for (; performance.now() - start < seconds * 1000; count += perTurn)
    for (let turn = 0; turn < perTurn; turn++) work()
  const { user, system } = process.cpuUsage(before)
  return {
    rate: (count * 1000) / (performance.now() - start),
    processor: (user + system) / count,
    times: null,
  }
}

interface GpgVerifying extends Subject {
  stop(): void
}

/** What others do: a process of gpg for each signature. */
function gpgVerifying(folder: string, gpg: string): GpgVerifying {
  const home = join(folder, 'gnupg')
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const key = join(folder, 'key.gpg')
  const signature = join(folder, 'signature')
  writeFileSync(key, fixture('keyrings/rsa2048.gpg'))
  writeFileSync(signature, fixture('keyrings/rsa2048.sig'))
  const options = ['--homedir', home, '--batch', '--quiet', '--trust-model', 'always']
  execFileSync(gpg, [...options, '--import', key])
  return {
    name: 'gpg --verify',
    async measure(seconds) {
      const start = performance.now()
      let count = 0
      for (; performance.now() - start < seconds * 1000; count++) {
        const { status } = spawnSync(gpg, [...options, '--verify', signature], { stdio: 'ignore' })
        if (status !== 0) throw new Error(`gpg --verify ended with ${status}`)
      }
      return { rate: (count * 1000) / (performance.now() - start), processor: null, times: null }
    },
    stop: () => void execFileSync(join(dirname(gpg), 'gpgconf'), ['--homedir', home, '--kill', 'all']),
  }
}
