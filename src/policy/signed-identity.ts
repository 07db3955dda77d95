import type { Json, JsonObject } from '../claim/json.ts'
import type { ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { isNameOnly, nameOf, parseClientReference } from './client-reference.ts'
import { kindOf, list, type Place, readMap, readObject, readText, refuse, within } from './document.ts'

/** Which references a claim may have (containers-policy.json(5), `signedIdentity`); `satisfies` answers by it. */
export type SignedIdentity =
  | { type: 'matchExact' }
  | { type: 'matchRepoDigestOrExact' }
  | { type: 'matchRepository' }
  | { type: 'exactReference'; reference: ImageReference }
  /** `quay.io/team/app`; what the policy says beside it, tag and digest, is of no account to clients. */
  | { type: 'exactRepository'; name: string }
  | { type: 'remapIdentity'; prefix: string; signedPrefix: string }

export const defaultSignedIdentity: SignedIdentity = { type: 'matchRepoDigestOrExact' }

type Reader = (object: JsonObject, place: Place) => SignedIdentity

const kinds: Record<SignedIdentity['type'], { keys: string[]; read: Reader }> = {
  matchExact: { keys: [], read: () => ({ type: 'matchExact' }) },
  matchRepoDigestOrExact: { keys: [], read: () => defaultSignedIdentity },
  matchRepository: { keys: [], read: () => ({ type: 'matchRepository' }) },
  exactReference: { keys: ['dockerReference'], read: readExactReference },
  exactRepository: { keys: ['dockerRepository'], read: readExactRepository },
  remapIdentity: { keys: ['prefix', 'signedPrefix'], read: readRemapIdentity },
}

/** As strictly as `newPolicyReferenceMatchFromJSON` of c/image: each kind has exactly its keys. */
export function readSignedIdentity(value: Json | undefined, place: Place): SignedIdentity {
  const { type } = readMap(value, place)
  if (!isKind(type)) {
    const found = typeof type === 'string' ? JSON.stringify(type.slice(0, 100)) : kindOf(type)
    return refuse(within(place, 'type'), `must be one of ${list(Object.keys(kinds))}, not ${found}`)
  }
  const { keys, read } = kinds[type]
  return read(readObject(value, place, { required: ['type', ...keys] }), place)
}

function isKind(type: Json | undefined): type is SignedIdentity['type'] {
  return typeof type === 'string' && Object.hasOwn(kinds, type)
}

function readExactReference(object: JsonObject, place: Place): SignedIdentity {
  const reference = readReference(object, 'dockerReference', place)
  if (isNameOnly(reference)) {
    return refuse(
      within(place, 'dockerReference'),
      'has neither tag nor digest; add one, or use exactRepository',
    )
  }
  return { type: 'exactReference', reference }
}

function readExactRepository(object: JsonObject, place: Place): SignedIdentity {
  return { type: 'exactRepository', name: nameOf(readReference(object, 'dockerRepository', place)) }
}

function readReference(object: JsonObject, key: string, place: Place): ImageReference {
  const text = readText(object, key, place)
  try {
    return parseClientReference(text)
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    return refuse(within(place, key), `names no image: ${cause.message.replace(/\.$/, '')}`)
  }
}

function readRemapIdentity(object: JsonObject, place: Place): SignedIdentity {
  const prefix = readPrefix(object, 'prefix', place)
  const signedPrefix = readPrefix(object, 'signedPrefix', place)
  return { type: 'remapIdentity', prefix, signedPrefix }
}

const domain = '[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*(?:\\.[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*)*(?::[0-9]+)?'
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'

/** c/image's `validateIdentityRemappingPrefix`: a host, or a host and the path of a namespace or repository. */
const remapPrefix = new RegExp(`^${domain}(?:/${component})*$`)

function readPrefix(object: JsonObject, key: string, place: Place): string {
  const text = readText(object, key, place)
  if (remapPrefix.test(text)) return text
  return refuse(
    within(place, key),
    'must be a registry host with or without a path, such as quay.io/team, and no tag or digest',
  )
}
