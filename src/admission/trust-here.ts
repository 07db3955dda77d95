import type { OperatorTrust, TrustSettings } from '../trust/operator.ts'

/** Of an operator who has not said whom to trust. */
export const noTrust: OperatorTrust = {
  uploads: null,
  gates: new Map(),
  keyring: { certificates: [], keys: new Map(), byFingerprint: new Map(), warnings: [] },
}

/**
 * `followOperatorTrust` where the operator trusts something. The reading of keys takes a tenth of a second to load,
 * which nobody need wait for who has none.
 */
export async function operatorTrust(
  settings: TrustSettings,
  events: {
    everyMs: number
    onChange(trust: OperatorTrust): void
    onError(policy: string, error: Error): void
  },
): Promise<{ current(): OperatorTrust; stop(): void }> {
  if (isEmpty(settings)) {
    events.onChange(noTrust)
    return { current: () => noTrust, stop: () => {} }
  }
  const { followOperatorTrust } = await import('../trust/operator.ts')
  return followOperatorTrust(settings, events)
}

/** The same, as it is now. */
export async function operatorTrustNow(settings: TrustSettings): Promise<OperatorTrust> {
  if (isEmpty(settings)) return noTrust
  const { loadOperatorTrust } = await import('../trust/operator.ts')
  return loadOperatorTrust(settings)
}

function isEmpty({ policy, gates }: TrustSettings): boolean {
  return policy === undefined && Object.keys(gates).length === 0
}
