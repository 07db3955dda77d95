import { rememberingCheck } from '../openpgp/verdict.ts'
import { type GateDemands, gateDemands } from '../policy/demands.ts'
import { evaluateImage } from '../policy/evaluate-image.ts'
import type { Report } from '../policy/report.ts'
import type { Digest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/reference.ts'
import { maxSlot } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import type { Storage } from '../storage/storage.ts'
import type { OperatorTrust } from '../trust/operator.ts'
import { type Registry, repositoryOf } from './place.ts'

/** Does an image pass that gate? `image` is named by tag or by digest, as clients name it. */
export interface GateQuestion {
  gate: string
  image: ImageReference
  digest: Digest
}

export interface GateAnswer extends Report {
  gate: string
  /** Whether an index must pass like its children. */
  index: 'ignored' | 'required'
}

export interface Gates {
  /**
   * @throws Refusal not-found, registry-not-served, name-too-long, digest-mismatch
   */
  ask(question: GateQuestion): Promise<GateAnswer>
  /**
   * What it asks of images, whichever.
   * @throws Refusal not-found
   */
  demands(gate: string): Promise<GateDemands>
}

/**
 * Answers by the signatures where clients look for those of the image, as of now. Results that are stored are taken as
 * they are; a key that signatures have not been tried with yet is tried here.
 */
export function gateKeeper(
  storage: Pick<Storage, 'list'>,
  registries: readonly Registry[] | undefined,
  trust: () => Pick<OperatorTrust, 'gates'>,
  clock: () => number = Date.now,
): Gates {
  const gateOf = (name: string) => {
    const gate = trust().gates.get(name)
    if (!gate) throw new Refusal('not-found', `There is no gate ${name}`)
    return gate
  }
  return {
    async ask({ gate: name, image, digest }) {
      const { rules, trust } = gateOf(name)
      const repository = repositoryOf(image, registries)
      if (repository instanceof Refusal) throw repository
      const { signatures } = await storage.list({ repository, digest, limit: maxSlot })
      const slotted = signatures.map(({ slot, blob, checks }) => {
        const known = new Map(checks.map(({ fingerprint, result }) => [fingerprint, result]))
        return { ...readSignature(blob, { sigstoreJson: true }), slot, check: rememberingCheck(known) }
      })
      slotted.sort((one, other) => one.slot - other.slot)
      const { index, maxAge } = rules
      const question = { image, digest, signatures: slotted, maxAge, now: clock() }
      return { gate: name, index, ...(await evaluateImage(trust, question)) }
    },
    async demands(name) {
      const { rules, trust } = gateOf(name)
      return gateDemands(trust, rules, clock())
    },
  }
}
