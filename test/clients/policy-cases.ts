import type { State } from './key-cases.ts'

/** Who signs: by keys in each state, and by a second key that is as good as the first. */
export const signers = {
  alice: 'plain',
  bob: 'plain',
  subkey: 'subkey',
  extended: 'extended',
  expired: 'expired',
  superseded: 'revoked as superseded',
  compromised: 'revoked as compromised',
} as const satisfies Record<string, State>

export type SignerName = keyof typeof signers

/** Names under which the registry of a test is known to its clients; `path` is a repository of it. */
export interface Home {
  host: string
  path: string
  /** What clients are given for host and path. */
  short: string
}

export interface Case {
  home: Home
  /** How the image is asked for; by neither, clients ask for `latest`. No skopeo can be asked for one by both. */
  naming: 'tag' | 'digest' | 'neither'
  /** The reference of the one claim there is; undefined where there is no signature. */
  signed: string | undefined
  signer: SignerName
  /** Whether the claim is of the manifest. */
  isOfImage: boolean
  /** By scope of the docker transport. */
  scopes: Record<string, object[]>
}

/** In place of the digest of the image and its tag, which are not known before it is there. */
export const digestOfImage = 'DIGEST'
export const tagOfImage = 'TAG'

const otherDigest = `sha256:${'0'.repeat(64)}`
const signedHost = 'signed.example.net'

/** The same cases each time: by a generator of numbers (Numerical Recipes, `ranqd1`) that starts where it is told. */
export function generateCases(
  count: number,
  hosts: Home[],
  /** How a policy can name the keys of each signer. */
  keys: Record<SignerName, object[]>,
  seed = 1,
): Case[] {
  let state = seed
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item
  const oneIn = (count: number): boolean => below(count) === 0

  const newCase = (index: number): Case => {
    // Each has a repository of its own, as all of one would have one tag `latest`.
    const { host, path, short } = pick(hosts)
    const home = { host, path: `${path}${index}`, short: `${short}${index}` }
    const naming = pick(['tag', 'tag', 'digest', 'digest', 'neither'] as const)
    const identity = pick(identitiesFor(home))
    const claims = oneIn(3) ? claimsFor(home) : suitedClaims(home, naming, identity)
    const signed = oneIn(20) ? undefined : pick(claims)
    const wanted = oneIn(2) ? 'alice' : pick(Object.keys(signers) as SignerName[])
    return {
      home,
      naming,
      signed,
      signer: oneIn(15) ? 'bob' : wanted,
      isOfImage: !oneIn(15),
      scopes: scopesFor(home, naming, identity, wanted),
    }
  }

  const scopesFor = (
    home: Home,
    naming: Case['naming'],
    identity: object | undefined,
    wanted: SignerName,
  ) => {
    const signedBy = (name: SignerName) => ({
      type: 'signedBy',
      keyType: 'GPGKeys',
      ...pick(keys[name]),
      ...(identity && { signedIdentity: identity }),
    })
    const lists = [
      ...Array.from({ length: 6 }, () => [signedBy(wanted)]),
      [signedBy(wanted), { type: 'insecureAcceptAnything' }],
      [signedBy(wanted), signedBy('bob')],
      [{ type: 'reject' }],
      [{ type: 'insecureAcceptAnything' }],
    ]
    const scopes = scopeNames(home, naming).filter(() => oneIn(4))
    return Object.fromEntries([...scopes, ''].map((scope) => [scope, pick(lists)]))
  }

  return Array.from({ length: count }, (_, index) => newCase(index))
}

/** Those the image is in, and others that are near. */
function scopeNames({ host, path }: Home, naming: Case['naming']): string[] {
  const [name = '', port] = host.split(':')
  const parents = path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'))
  const labels = name.split('.')
  return [
    `${host}/${path}:${naming === 'neither' ? 'latest' : tagOfImage}`,
    `${host}/${path}@${digestOfImage}`,
    ...parents.map((parent) => `${host}/${parent}`),
    ...[host, `${host}/`, `${host}/${path.slice(0, -1)}`, `${host}/${path}/more`, path],
    ...labels.map((_, index) => `*.${labels.slice(index).join('.')}`),
    ...(port === undefined ? [] : [name, `*.${labels.slice(1).join('.')}:${port}`]),
  ]
}

function identitiesFor({ host, path }: Home): (Record<string, string> | undefined)[] {
  const [namespace = ''] = path.split('/')
  const remap = (prefix: string, signedPrefix: string) => ({ type: 'remapIdentity', prefix, signedPrefix })
  return [
    undefined,
    { type: 'matchExact' },
    { type: 'matchRepoDigestOrExact' },
    { type: 'matchRepository' },
    { type: 'exactReference', dockerReference: `${signedHost}/${path}:1` },
    { type: 'exactReference', dockerReference: `${path}:1` },
    { type: 'exactReference', dockerReference: `${signedHost}/${path}:1@${digestOfImage}` },
    { type: 'exactRepository', dockerRepository: `${signedHost}/${path}` },
    { type: 'exactRepository', dockerRepository: `${host}/${path}:1` },
    remap(host, signedHost),
    remap(`${host}/${namespace}`, `${signedHost}/vendor`),
    remap(`${host}/${path}`, 'docker.io/library/app'),
    remap(`${host}/${namespace}`, 'docker.io'),
    remap(`${host}/${path.slice(0, -1)}`, signedHost),
    remap(signedHost, host),
  ]
}

/** Claims that name what the rule is about, or nearly. */
function suitedClaims(
  { host, path }: Home,
  naming: Case['naming'],
  identity: Record<string, string> | undefined,
): string[] {
  const name = `${host}/${path}`
  const asked = { tag: `:${tagOfImage}`, digest: `@${digestOfImage}`, neither: ':latest' }[naming]
  switch (identity?.type) {
    case 'remapIdentity': {
      const { prefix = '', signedPrefix = '' } = identity
      const signed = `${name}/`.startsWith(`${prefix}/`) ? signedPrefix + name.slice(prefix.length) : name
      return [signed + asked, signed + asked, `${signed}:${tagOfImage}`, name + asked]
    }
    case 'exactReference':
      return [identity.dockerReference ?? '']
    case 'exactRepository':
      return [`${identity.dockerRepository?.replace(/:1$/, '')}:2`, `${name}:${tagOfImage}`]
    default:
      return [name + asked, name + asked, `${name}:${tagOfImage}`, name]
  }
}

function claimsFor({ host, path, short }: Home): string[] {
  const name = `${host}/${path}`
  return [
    ...[`${name}:${tagOfImage}`, `${name}:${tagOfImage}`, `${name}:${tagOfImage}`, `${name}:latest`],
    ...[`${name}:1`, name, `${short}:${tagOfImage}`, `${path}:${tagOfImage}`, `${path}:1`],
    ...[`${name}@${digestOfImage}`, `${name}@${otherDigest}`, `${name}:${tagOfImage}@${digestOfImage}`],
    ...[`${name}2:${tagOfImage}`, `${host}/${path.split('/')[0]}:${tagOfImage}`, `TEAM/app:${tagOfImage}`],
    ...[`${signedHost}/${path}:${tagOfImage}`, `${signedHost}/${path}:1`, `${signedHost}/${path}`],
    `${signedHost}/vendor/app:${tagOfImage}`,
  ]
}
