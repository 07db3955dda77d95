import type { Json, JsonObject } from '../claim/json.ts'
import {
  kindOf,
  list,
  type Place,
  readBytes,
  readMap,
  readObject,
  readText,
  readTexts,
  refuse,
  within,
} from './document.ts'
import { defaultSignedIdentity, readSignedIdentity, type SignedIdentity } from './signed-identity.ts'
import { checkSigstoreSigned, sigstoreKeys } from './sigstore-signed.ts'

/** What an image must have; `place` says where the policy asks for it: `transports.docker["quay.io"][0]`. */
export type Requirement =
  | { type: 'insecureAcceptAnything'; place: Place }
  | { type: 'reject'; place: Place }
  | SignedBy
  | { type: 'signedBaseLayer'; place: Place }
  | { type: 'sigstoreSigned'; place: Place }

/** A signature by some key of these, for a claim whose reference is as `signedIdentity` says. */
export interface SignedBy {
  type: 'signedBy'
  place: Place
  /** Only GPGKeys can be met; the others are words that clients read and never accept. */
  keyType: KeyType
  keys: KeySource
  signedIdentity: SignedIdentity
}

/**
 * The files of all paths are one keyring. An empty list or no octets are a keyring without keys: nothing meets it. A
 * path is as the policy has it: clients take a relative one from the folder they are started in.
 */
export type KeySource = { paths: string[] } | { data: Uint8Array }

const keyTypes = ['GPGKeys', 'signedByGPGKeys', 'X509Certificates', 'signedByX509CAs'] as const

/** The words that clients read (signature/policy_types.go of c/image, `sbKeyType`). */
export type KeyType = (typeof keyTypes)[number]

interface Kind {
  required?: string[]
  optional?: string[]
  read: (object: JsonObject, place: Place) => Requirement
}

const kinds: Record<Requirement['type'], Kind> = {
  insecureAcceptAnything: { read: (_, place) => ({ type: 'insecureAcceptAnything', place }) },
  reject: { read: (_, place) => ({ type: 'reject', place }) },
  signedBy: { optional: ['keyType', 'keyPath', 'keyPaths', 'keyData', 'signedIdentity'], read: readSignedBy },
  signedBaseLayer: {
    required: ['baseLayerIdentity'],
    read: (object, place) => {
      readSignedIdentity(object.baseLayerIdentity, within(place, 'baseLayerIdentity'))
      return { type: 'signedBaseLayer', place }
    },
  },
  sigstoreSigned: {
    optional: [...sigstoreKeys, 'signedIdentity'],
    read: (object, place) => {
      readOptionalIdentity(object, place)
      checkSigstoreSigned(object, place)
      return { type: 'sigstoreSigned', place }
    },
  },
}

/** A list that is not empty: an empty one would ask for nothing. */
export function readRequirements(value: Json | undefined, place: Place): Requirement[] {
  if (!Array.isArray(value)) {
    return refuse(place, `must be a list of requirements, in brackets, not ${kindOf(value)}`)
  }
  if (value.length === 0) return refuse(place, 'is empty; to accept no image, write [{"type": "reject"}]')
  return value.map((item, index) => readRequirement(item, within(place, index)))
}

function readRequirement(value: Json, place: Place): Requirement {
  const { type } = readMap(value, place)
  if (!isKind(type)) {
    const found = typeof type === 'string' ? JSON.stringify(type.slice(0, 100)) : kindOf(type)
    return refuse(within(place, 'type'), `must be one of ${list(Object.keys(kinds))}, not ${found}`)
  }
  const { required = [], optional = [], read } = kinds[type]
  return read(readObject(value, place, { required: ['type', ...required], optional }), place)
}

function isKind(type: Json | undefined): type is Requirement['type'] {
  return typeof type === 'string' && Object.hasOwn(kinds, type)
}

function readSignedBy(object: JsonObject, place: Place): SignedBy {
  const keyType = keyTypes.find((known) => known === object.keyType)
  if (keyType === undefined) {
    return refuse(within(place, 'keyType'), 'must be "GPGKeys", the one kind of keys that clients support')
  }
  const signedIdentity = readOptionalIdentity(object, place)
  return { type: 'signedBy', place, keyType, keys: readKeys(object, place), signedIdentity }
}

function readOptionalIdentity(object: JsonObject, place: Place): SignedIdentity {
  if (!('signedIdentity' in object)) return defaultSignedIdentity
  return readSignedIdentity(object.signedIdentity, within(place, 'signedIdentity'))
}

function readKeys(object: JsonObject, place: Place): KeySource {
  const sources = ['keyPath', 'keyPaths', 'keyData']
  const [given, ...more] = sources.filter((key) => key in object)
  if (given === undefined || more.length > 0) {
    const found = given === undefined ? 'none' : list([given, ...more])
    return refuse(place, `must have exactly one of ${list(sources)}, not ${found}`)
  }
  const keys = given === 'keyData' ? readKeyData(object, place) : readKeyPaths(object, given, place)
  return keys ?? refuse(within(place, given), 'has no value; name the keys whose signatures are wanted')
}

function readKeyData(object: JsonObject, place: Place): KeySource | undefined {
  const data = readBytes(object, 'keyData', place)
  return data && { data }
}

function readKeyPaths(object: JsonObject, given: string, place: Place): KeySource | undefined {
  if (given === 'keyPaths') {
    const paths = readTexts(object, given, place)
    return paths && { paths }
  }
  const path = readText(object, given, place)
  return path === '' ? undefined : { paths: [path] }
}
