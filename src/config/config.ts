import type { ClaimRule } from '../access/claim-rule.ts'
import type { ClientRule } from '../access/client-rule.ts'
import type { Pattern } from '../access/pattern.ts'
import type { GateRules } from '../policy/gate.ts'
import type { Repository } from '../reference/repository.ts'
import type { ListenAddress } from './listen.ts'
import type { RawConfig } from './schema.ts'

/** The configuration as the program uses it: every default filled in, every text read into what it means. */
export interface Config {
  /** An absolute path. The folder need not exist yet. */
  data: string
  listen: ListenAddress
  /** Without a slash at its end. */
  publicUrl?: string
  tls: TlsConfig
  workers: number | 'auto'
  /** Absent: every registry host is served, and all share one space. */
  registries?: ServedRegistry[]
  /** An absolute path of a file that can be read. Absent: what is well formed is admitted. */
  policy?: string
  gates: Record<string, GateConfig>
  reads: RawConfig['reads']
  uploads: RawConfig['uploads']
  /** `graceSeconds` is no less than `reads.cacheSeconds`. */
  withdraw: RawConfig['withdraw']
  digestViews: DigestView[]
  tree: RawConfig['tree']
  registry: RegistryConfig
  /** Addresses, and networks as ADDRESS/BITS. */
  trustedProxies: string[]
  oidc: IssuerConfig[]
  /** Empty without `tls.clientCa`. */
  clients: ClientRule[]
  mirrors: MirrorConfig[]
  publish: PublishConfig[]
  audit: RawConfig['audit']
  log: RawConfig['log']
  /** What a person should be told but need not be stopped by, a sentence each. */
  warnings: string[]
}

/** `names` are spelled canonically. `cert`, `key` and `clientCa` are absolute paths of files that can be read. */
export type TlsConfig =
  | { mode: 'auto'; names: string[]; clientCa?: string }
  | { mode: 'files'; cert: string; key: string; clientCa?: string }
  | { mode: 'off' }

/** `policy` is an absolute path of a file that can be read, as those of the keys are. */
export interface GateConfig extends GateRules {
  policy: string
}

/** `upstream` is an origin, `ca` the absolute path of a file that can be read. `delegate` needs `upstream`. */
export interface RegistryConfig {
  upstream?: string
  ca?: string
  host?: string
  delegate: boolean
  anonymous: boolean
}

/** `issuer` and `jwksUri` are https URLs, or http ones of this machine; `ca` is the absolute path of a file that can be read. */
export interface IssuerConfig {
  /** Of no other entry. */
  issuer: string
  audience: string
  algorithms: RawConfig['oidc'][number]['algorithms']
  jwksUri?: string
  ca?: string
  maxLifetimeSeconds: number
  rules: ClaimRule[]
}

/** The files are absolute paths of files that can be read. */
export interface MirrorConfig {
  /** An http or https URL without credentials, query, or a slash at its end. */
  from: string
  /** Empty: its signatures live at the top. */
  prefix: Repository | ''
  policy: string
  /** From 1 to 604800. */
  everySeconds: number
  images?: string
  ca?: string
  tokenFile?: string
}

/** An absolute path; the folder need not exist yet. */
export interface PublishConfig {
  directory: string
}

export interface ServedRegistry {
  /** As image references have it after normalisation: `docker.io`, `localhost:5000`. */
  host: string
  /** Empty: its signatures live at the top. */
  prefix: Repository | ''
}

export interface DigestView {
  base: Repository | ''
  repositories: Pattern[]
}
