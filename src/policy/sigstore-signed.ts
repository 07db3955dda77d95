import type { JsonObject } from '../claim/json.ts'
import {
  list,
  type Place,
  readBytes,
  readBytesList,
  readObject,
  readText,
  readTexts,
  refuse,
  within,
} from './document.ts'

const keySources = ['keyPath', 'keyPaths', 'keyData', 'keyDatas', 'fulcio', 'pki']
const rekorSources = [
  'rekorPublicKeyPath',
  'rekorPublicKeyPaths',
  'rekorPublicKeyData',
  'rekorPublicKeyDatas',
]

/** The keys of the requirement beside `type` and `signedIdentity`. */
export const sigstoreKeys = [...keySources, ...rekorSources]

/**
 * Checks the keys of a sigstoreSigned requirement as strictly as `newPRSigstoreSigned` of c/image. Nothing is kept of
 * them: sigstore signatures are not verified here.
 */
export function checkSigstoreSigned(object: JsonObject, place: Place): void {
  const keys = keySources.filter((key) => isGiven(object, key, place))
  if (keys.length !== 1) {
    refuse(
      place,
      `must have exactly one of ${list(keySources)}, not ${keys.length === 0 ? 'none' : list(keys)}`,
    )
  }
  const rekors = rekorSources.filter((key) => isGiven(object, key, place))
  if (rekors.length > 1) refuse(place, `may have only one of ${list(rekorSources)}, not ${list(rekors)}`)
  if ('fulcio' in object && rekors.length === 0) {
    refuse(place, `has fulcio, and so must have one of ${list(rekorSources)}`)
  }
  if ('pki' in object && rekors.length > 0) refuse(place, `has pki, and so may not have ${rekors[0]}`)
}

/** Whether a source counts as one: an empty path does not, nor does null for octets; an empty list is refused. */
function isGiven(object: JsonObject, key: string, place: Place): boolean {
  if (!(key in object)) return false
  if (key === 'fulcio') checkFulcio(object, place)
  else if (key === 'pki') checkPki(object, place)
  else if (key.endsWith('Path')) return readText(object, key, place) !== ''
  else if (key.endsWith('Data')) return readBytes(object, key, place) !== undefined
  else {
    const items = key.endsWith('Paths') ? readTexts(object, key, place) : readBytesList(object, key, place)
    if (items === undefined || items.length === 0) refuse(within(place, key), 'must name one or more keys')
  }
  return true
}

/** `newPRSigstoreSignedFulcio`. */
function checkFulcio(requirement: JsonObject, place: Place): void {
  const here = within(place, 'fulcio')
  const object = readObject(requirement.fulcio, here, {
    required: [],
    optional: ['caPath', 'caData', 'oidcIssuer', 'subjectEmail'],
  })
  requireOne(object, 'caPath', 'caData', here)
  const [issuer, email] = ['oidcIssuer', 'subjectEmail'].map((key) => readText(object, key, here))
  if (issuer === '') refuse(here, 'has no oidcIssuer; add it')
  if (email === '') refuse(here, 'has no subjectEmail; add it')
}

/** `newPRSigstoreSignedPKI`. */
function checkPki(requirement: JsonObject, place: Place): void {
  const here = within(place, 'pki')
  const intermediates: [string, string] = ['caIntermediatesPath', 'caIntermediatesData']
  const subjects = ['subjectEmail', 'subjectHostname']
  const object = readObject(requirement.pki, here, {
    required: [],
    optional: ['caRootsPath', 'caRootsData', ...intermediates, ...subjects],
  })
  requireOne(object, 'caRootsPath', 'caRootsData', here)
  if (intermediates.filter((key) => isGiven(object, key, here)).length > 1) {
    refuse(here, `may have only one of ${list(intermediates)}`)
  }
  const [email, hostname] = subjects.map((key) => readText(object, key, here))
  if (email === '' && hostname === '') refuse(here, `must have one of ${list(subjects)}`)
}

function requireOne(object: JsonObject, path: string, data: string, place: Place): void {
  const given = [path, data].filter((key) => isGiven(object, key, place))
  if (given.length !== 1) refuse(place, `must have exactly one of ${path} and ${data}`)
}
