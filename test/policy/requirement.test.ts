import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { anything, fulcio, parseRequirements, pki, reject, signedBy, sigstore } from './documents.ts'

const place = 'default[0]'
const keyless = { type: 'signedBy', keyType: 'GPGKeys' }
const withIdentity = (signedIdentity: unknown) => ({ ...signedBy, signedIdentity })
const remap = (prefix: unknown, signedPrefix: unknown = 'quay.io') =>
  withIdentity({ type: 'remapIdentity', prefix, signedPrefix })
const exactly = (dockerReference: unknown) => withIdentity({ type: 'exactReference', dockerReference })
const sigstoreOf = (keys: object) => ({ type: 'sigstoreSigned', ...keys })

suite('a requirement is read:', () => {
  const read: Record<string, [document: unknown, requirement: object]> = {
    insecureAcceptAnything: [anything, anything],
    reject: [reject, reject],
    'signedBy with keyPath': [
      signedBy,
      {
        type: 'signedBy',
        keyType: 'GPGKeys',
        keys: { paths: ['/keys/alice.gpg'] },
        signedIdentity: { type: 'matchRepoDigestOrExact' },
      },
    ],
    'signedBy with keyPaths': [{ ...keyless, keyPaths: ['/a', '/b'] }, { keys: { paths: ['/a', '/b'] } }],
    'signedBy with no keyPaths, which nothing meets': [{ ...keyless, keyPaths: [] }, { keys: { paths: [] } }],
    'signedBy with keyData': [{ ...keyless, keyData: 'AQI=' }, { keys: { data: Uint8Array.of(1, 2) } }],
    'signedBy with keyData in lines': [
      { ...keyless, keyData: 'AQ\r\nI=\n' },
      { keys: { data: Uint8Array.of(1, 2) } },
    ],
    'signedBy with another keyType, which clients read and never accept': [
      { ...signedBy, keyType: 'X509Certificates' },
      { keyType: 'X509Certificates' },
    ],
    'matchExact as signedIdentity': [
      withIdentity({ type: 'matchExact' }),
      { signedIdentity: { type: 'matchExact' } },
    ],
    exactReference: [
      exactly('busybox:1'),
      {
        signedIdentity: {
          type: 'exactReference',
          reference: { host: 'docker.io', path: 'library/busybox', tag: '1' },
        },
      },
    ],
    'exactRepository, without its tag': [
      withIdentity({ type: 'exactRepository', dockerRepository: 'quay.io/team/app:1' }),
      { signedIdentity: { type: 'exactRepository', name: 'quay.io/team/app' } },
    ],
    remapIdentity: [
      remap('localhost:5000/team/app', 'Quay.io'),
      {
        signedIdentity: {
          type: 'remapIdentity',
          prefix: 'localhost:5000/team/app',
          signedPrefix: 'Quay.io',
        },
      },
    ],
    signedBaseLayer: [
      { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } },
      { type: 'signedBaseLayer' },
    ],
    'sigstoreSigned with keyPath': [sigstore, { type: 'sigstoreSigned' }],
    'sigstoreSigned with keyPaths': [sigstoreOf({ keyPaths: ['/a'] }), {}],
    'sigstoreSigned with keyData': [sigstoreOf({ keyData: '' }), {}],
    'sigstoreSigned with keyDatas': [sigstoreOf({ keyDatas: ['AQI='], rekorPublicKeyDatas: ['AQI='] }), {}],
    'sigstoreSigned with fulcio': [sigstoreOf({ fulcio, rekorPublicKeyPath: '/rekor' }), {}],
    'sigstoreSigned with pki': [sigstoreOf({ pki: { ...pki, caIntermediatesData: '' } }), {}],
    'sigstoreSigned with an empty path beside its key': [sigstoreOf({ keyPath: null, keyData: 'AQI=' }), {}],
  }
  for (const [name, [document, expected]] of Object.entries(read))
    test(name, () => assert.partialDeepStrictEqual(parseRequirements(document), [{ ...expected, place }]))
})

suite('a requirement is refused, and its place named:', () => {
  const refused: Record<string, [document: unknown, message: RegExp]> = {
    'that is null': [null, /^default\[0] must be an object, in braces, not null\.$/],
    'without type': [{}, /^default\[0]\.type must be one of insecureAcceptAnything, .* not null\.$/],
    'of another type': [{ type: 'Reject' }, /\.type must be one of .* not "Reject"\.$/],
    'of a type every object has': [{ type: 'constructor' }, /\.type must be one of/],
    'with type in another case': [{ Type: 'reject' }, /\.type must be one of/],
    'with an unknown key': [
      { ...reject, note: 'x' },
      /^default\[0]\.note is not a known key; remove it: default\[0] may have type\.$/,
    ],
    'with __proto__': [JSON.parse('{"type":"reject","__proto__":1}'), /__proto__ is not a known key/],
    'without keyType': [{ type: 'signedBy', keyPath: '/a' }, /^default\[0]\.keyType must be "GPGKeys"/],
    'with a keyType in another case': [{ ...signedBy, keyType: 'gpgkeys' }, /\.keyType must be "GPGKeys"/],
    'without keys': [keyless, /exactly one of keyPath, keyPaths and keyData, not none\.$/],
    'with two sources of keys': [{ ...signedBy, keyPaths: ['/b'] }, /not keyPath and keyPaths\.$/],
    'with two sources of keys, one null': [{ ...signedBy, keyData: null }, /not keyPath and keyData\.$/],
    'with an empty keyPath': [{ ...keyless, keyPath: '' }, /^default\[0]\.keyPath has no value/],
    'with a number as keyPath': [{ ...keyless, keyPath: 1 }, /keyPath must be text, .* not a number\.$/],
    'with null as keyPaths': [{ ...keyless, keyPaths: null }, /keyPaths has no value/],
    'with text as keyPaths': [{ ...keyless, keyPaths: '/a' }, /keyPaths must be a list, .* not text\.$/],
    'with a number in keyPaths': [{ ...keyless, keyPaths: ['/a', 1] }, /keyPaths\[1] must be text/],
    'with null as keyData': [{ ...keyless, keyData: null }, /keyData has no value/],
    'with armor as keyData': [{ ...keyless, keyData: '-----BEGIN' }, /keyData must be .* in base64/],
    'with base64 without padding': [{ ...keyless, keyData: 'AQI' }, /keyData must be .* in base64/],
    'with URL-safe base64': [{ ...keyless, keyData: '-_8=' }, /keyData must be .* in base64/],
    'with a list as keyData': [{ ...keyless, keyData: [1] }, /keyData must be .* in base64/],
    'with null as signedIdentity': [withIdentity(null), /^default\[0]\.signedIdentity must be an object/],
    'with an unknown signedIdentity': [
      withIdentity({ type: 'match' }),
      /signedIdentity\.type must be one of/,
    ],
    'with a key that matchExact has not': [
      withIdentity({ type: 'matchExact', dockerReference: 'a:1' }),
      /signedIdentity\.dockerReference is not a known key/,
    ],
    'with a signedIdentity every object has': [
      withIdentity({ type: 'constructor' }),
      /signedIdentity\.type must be one of/,
    ],
    'exactReference without reference': [
      withIdentity({ type: 'exactReference' }),
      /signedIdentity has no dockerReference; add it\.$/,
    ],
    'exactReference without tag': [exactly('busybox'), /neither tag nor digest; add one, or use exactRepo/],
    'exactReference in upper case': [
      exactly('quay.io/A:1'),
      /dockerReference names no image: .* lower-case\.$/,
    ],
    'exactReference with a host clients do not know': [exactly('TEAM/a:1'), /do not take "TEAM" for a reg/],
    'exactReference with an IPv6 host': [exactly('[::1]:5000/a:1'), /do not take/],
    'exactReference of 256 characters': [exactly(`quay.io/${'a'.repeat(248)}:1`), /more than 255 characters/],
    'exactReference as null': [exactly(null), /dockerReference names no image/],
    'remapIdentity without signedPrefix': [
      withIdentity({ type: 'remapIdentity', prefix: 'quay.io' }),
      /has no signedPrefix; add it/,
    ],
    'remapIdentity with a trailing slash': [remap('quay.io/'), /\.prefix must be a registry host/],
    'remapIdentity with a tag': [remap('quay.io/a:1'), /\.prefix must be a registry host/],
    'remapIdentity with a wildcard': [remap('*.io'), /\.prefix must be a registry host/],
    'remapIdentity to nothing': [remap('quay.io', ''), /\.signedPrefix must be a registry host/],
    'signedBaseLayer without identity': [{ type: 'signedBaseLayer' }, /has no baseLayerIdentity/],
    'sigstoreSigned without keys': [{ type: 'sigstoreSigned' }, /exactly one of keyPath, .* not none\.$/],
    'sigstoreSigned with two keys': [
      sigstoreOf({ keyPath: '/a', keyData: '' }),
      /not keyPath and keyData\.$/,
    ],
    'sigstoreSigned with keyType': [{ ...sigstore, keyType: 'GPGKeys' }, /keyType is not a known key/],
    'sigstoreSigned with no keyPaths': [sigstoreOf({ keyPaths: [] }), /keyPaths must name one or more keys/],
    'sigstoreSigned with null as keyDatas': [
      { ...sigstore, keyDatas: null },
      /keyDatas must name one or more/,
    ],
    'sigstoreSigned with two Rekor keys': [
      { ...sigstore, rekorPublicKeyPath: '/r', rekorPublicKeyData: '' },
      /may have only one of/,
    ],
    'fulcio without Rekor': [
      sigstoreOf({ fulcio }),
      /has fulcio, and so must have one of rekorPublicKeyPath/,
    ],
    'fulcio as null': [{ ...sigstore, fulcio: null }, /fulcio must be an object/],
    'fulcio with two authorities': [
      sigstoreOf({ fulcio: { ...fulcio, caData: '' }, rekorPublicKeyPath: '/r' }),
      /^default\[0]\.fulcio must have exactly one of caPath and caData\.$/,
    ],
    'fulcio without issuer': [
      sigstoreOf({ fulcio: { ...fulcio, oidcIssuer: null }, rekorPublicKeyPath: '/r' }),
      /fulcio has no oidcIssuer/,
    ],
    'fulcio without subject': [
      sigstoreOf({ fulcio: { ...fulcio, subjectEmail: '' }, rekorPublicKeyPath: '/r' }),
      /fulcio has no subjectEmail/,
    ],
    'pki with Rekor': [sigstoreOf({ pki, rekorPublicKeyPath: '/r' }), /has pki, and so may not have rekor/],
    'pki without subject': [sigstoreOf({ pki: { caRootsPath: '/ca' } }), /pki must have one of subjectEmail/],
    'pki with two intermediates': [
      sigstoreOf({ pki: { ...pki, caIntermediatesPath: '/i', caIntermediatesData: '' } }),
      /pki may have only one of caIntermediatesPath and caIntermediatesData/,
    ],
  }
  for (const [name, [document, message]] of Object.entries(refused))
    test(name, () => assert.throws(() => parseRequirements(document), { code: 'policy', message }))
})
