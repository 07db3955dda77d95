import { type AdmissionRules, type Admit, admission } from '../admission/admit.ts'
import { version } from '../cli/version.ts'
import type { Config } from '../config/config.ts'
import { sourceName } from '../mirror/destination.ts'
import type { MirrorContext } from '../mirror/mirror.ts'
import type { Storage } from '../storage/storage.ts'
import { loadOperatorTrust, type TrustSettings } from '../trust/operator.ts'

/** Admission on the thread that asks, by the policy as it is now. */
export async function admissionHere(storage: Storage, config: Config): Promise<Admit> {
  const trust = await loadOperatorTrust(trustSettings(config))
  return admission(storage, admissionRules(config), () => trust)
}

/** What a mirror that runs on the thread that asks needs. */
export async function mirrorContext(storage: Storage, config: Config): Promise<MirrorContext> {
  const { keyring } = await loadOperatorTrust(trustSettings(config))
  const rules = admissionRules(config)
  return { storage, rules, keyring: () => keyring, graceSeconds: config.withdraw.graceSeconds, userAgent }
}

export const userAgent = `lookaside/${version}`

export function trustSettings({ policy, gates }: Config): TrustSettings {
  return { gates, ...(policy !== undefined && { policy }) }
}

export function admissionRules({ registries, digestViews, uploads, mirrors }: Config): AdmissionRules {
  return {
    digestViews,
    sigstoreJson: uploads.sigstoreJson,
    ...(registries && { registries }),
    mirrors: mirrors
      .filter(({ prefix }) => prefix !== '')
      .map((mirror) => ({ prefix: mirror.prefix, source: sourceName(mirror) })),
  }
}
