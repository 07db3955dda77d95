import { hash } from 'node:crypto'
import { watchFiles } from '../durable/watch.ts'
import { type Keyring, readKeyring } from '../openpgp/keyring.ts'
import type { GateRules } from '../policy/gate.ts'
import { loadAllTrust, type Trust } from './trust.ts'

/** What the operator trusts: files of policies and keyrings, which may change while the server runs. */
export interface TrustSettings {
  /** A policy.json that uploads must meet. */
  policy?: string
  gates: Readonly<Record<string, GateSettings>>
}

export interface GateSettings extends GateRules {
  /** A policy.json that images must meet. */
  policy: string
}

/** As the files were when they were last read. */
export interface OperatorTrust {
  /** Null: there is no upload policy, and what is well formed is admitted. */
  uploads: Trust | null
  gates: ReadonlyMap<string, { trust: Trust; rules: GateRules }>
  /** Sentences for the administrator: what of the files could not be used. */
  warnings: string[]
  /** All keys that a policy or a gate names, read as one: a key that one file shows as revoked is revoked. */
  keyring: Keyring
}

/** Of an operator who has not said whom to trust. */
export const noTrust: OperatorTrust = {
  uploads: null,
  gates: new Map(),
  warnings: [],
  keyring: { certificates: [], keys: new Map(), byFingerprint: new Map(), warnings: [] },
}

/** @throws Refusal policy, keyring */
export async function loadOperatorTrust(settings: TrustSettings): Promise<OperatorTrust> {
  const { read, combine } = reader()
  const parts = await Promise.all(
    partsOf(settings).map(async (part) => ({ ...part, trust: await read(part) })),
  )
  return combine(parts)
}

/**
 * The trust of the operator, which follows its files while they change. A policy that cannot be used any more, or whose
 * keyrings cannot, stays what it was, so that a slip never widens what is trusted; the others go on.
 * @param onError what is wrong with which policy file
 * @param onChange hears of the first state, and of each change with the policy file that it came by
 * @throws Refusal policy, keyring: where one cannot be used from the start
 */
export async function followOperatorTrust(
  settings: TrustSettings,
  events: {
    everyMs: number
    onChange(trust: OperatorTrust, policy: string | null): void
    onError(policy: string, error: Error): void
  },
): Promise<{ current(): OperatorTrust; stop(): void }> {
  const { read, combine } = reader()
  const parts = await Promise.all(
    partsOf(settings).map(async (part) => ({ ...part, trust: await read(part) })),
  )
  let current = await combine(parts)
  events.onChange(current, null)
  const stops = parts.map((part) =>
    watchFiles({
      files: () => part.trust.files,
      everyMs: events.everyMs,
      read: async () => {
        const trust = await read(part)
        const before = part.trust
        part.trust = trust
        return combine(parts).catch((error) => {
          part.trust = before
          throw error
        })
      },
      take(combined) {
        current = combined
        events.onChange(current, part.policy)
      },
      onError: (error) => events.onError(part.policy, error),
    }),
  )
  return {
    current: () => current,
    stop: () => {
      for (const stop of stops) stop()
    },
  }
}

/** One policy file, and the gate it belongs to. */
interface Part {
  policy: string
  gate: { name: string; rules: GateRules } | null
}

function partsOf({ policy, gates }: TrustSettings): Part[] {
  const ofGates = Object.entries(gates).map(([name, gate]) => ({
    policy: gate.policy,
    gate: { name, rules: gate },
  }))
  return [...(policy === undefined ? [] : [{ policy, gate: null }]), ...ofGates]
}

/** Reads parts, and makes each keyring once, however many gates name it. */
function reader() {
  const known = new Map<string, Promise<Keyring>>()
  const keyringOf = (files: readonly Uint8Array[]): Promise<Keyring> => {
    const hashes = [...new Set(files.map((file) => hash('sha256', file)))]
    const key = hashes.join(' ')
    const keyring = known.get(key) ?? readKeyring(...files)
    // Those that were used last come last.
    known.delete(key)
    known.set(key, keyring)
    const [oldest = ''] = known.keys()
    if (known.size > maxKeyringsKept) known.delete(oldest)
    return keyring
  }
  return {
    read: ({ policy, gate }: Part): Promise<Trust> =>
      loadAllTrust(policy, { ...(gate && { thresholds: gate.rules.thresholds }), keyringOf }),

    async combine(parts: (Part & { trust: Trust })[]): Promise<OperatorTrust> {
      if (!parts.length) return noTrust
      const files = (await Promise.all(parts.map(({ trust }) => trust.keyrings()))).flat()
      const gates = new Map<string, { trust: Trust; rules: GateRules }>()
      for (const { gate, trust } of parts) if (gate) gates.set(gate.name, { trust, rules: gate.rules })
      return {
        uploads: parts.find(({ gate }) => !gate)?.trust ?? null,
        gates,
        warnings: parts.flatMap(({ policy, trust }) =>
          trust.warnings.map((warning) => `${policy}: ${warning}`),
        ),
        keyring: await keyringOf(unique(files)),
      }
    },
  }
}

/** A few for each gate that anybody has. */
const maxKeyringsKept = 100

function unique(files: Uint8Array[]): Uint8Array[] {
  return [...new Map(files.map((file) => [hash('sha256', file), file])).values()]
}
