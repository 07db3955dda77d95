import { type Json, type JsonObject, readJson } from '../claim/json.ts'
import { Refusal } from '../refusal.ts'
import { canMatch, dockerTransport } from './docker-scope.ts'
import { type Place, readMap, readObject, within } from './document.ts'
import { type Requirement, readRequirements } from './requirement.ts'

/** What is asked of images, by how they are named; `requirementsFor` finds what is asked of one. */
export interface Policy {
  default: Requirement[]
  /** By transport (`docker`, `atomic`, `dir` …) and scope; only `docker` counts here. */
  transports: Map<string, Map<string, Requirement[]>>
  /** Sentences for the administrator: clients read the policy, yet do not make of it what was meant. */
  warnings: string[]
}

/**
 * Reads a containers-policy.json(5) as strictly as c/image 5.42 (signature/policy_config.go): known keys only, each
 * once, case matters, no empty list of requirements. What clients read is read here, even where no image can meet it:
 * a keyType other than GPGKeys, an empty list of keyPaths, null for an empty path. It differs in this:
 *
 * - Text that is not UTF-8, or an escape that is half of a surrogate pair, is refused; c/image makes it U+FFFD, and two
 *   scopes one. So is nesting deeper than any policy, which c/image can only refuse for another reason.
 * - `keyData` and its like are base64 text; c/image takes a list of numbers for octets as well.
 * - Where c/image reads an image's name that has no registry host (`a_b.c/app`), this refuses: no claim has such a name.
 * - Scopes of transports other than `docker` are not checked: no image here has them.
 *
 * @throws Refusal policy: with the place in the document, and what to do there
 */
export function readPolicy(bytes: Uint8Array): Policy {
  const document = readObject(readDocument(bytes), '', { required: ['default'], optional: ['transports'] })
  const requirements = readRequirements(document.default, 'default')
  const transports =
    'transports' in document ? readTransports(document.transports) : new Map<string, Scopes>()
  return { default: requirements, transports, warnings: warnings(transports) }
}

type Scopes = Map<string, Requirement[]>

function readDocument(bytes: Uint8Array): Json {
  try {
    return readJson(bytes)
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal('policy', `The policy cannot be read: ${cause.message}`, { cause })
  }
}

function readTransports(value: Json | undefined): Map<string, Scopes> {
  const place = 'transports'
  return mapOf(readMap(value, place), place, (scopes, here) =>
    mapOf(readMap(scopes, here), here, readRequirements),
  )
}

function mapOf<Value>(
  object: JsonObject,
  place: Place,
  read: (value: Json, place: Place) => Value,
): Map<string, Value> {
  return new Map(Object.entries(object).map(([key, value]) => [key, read(value, within(place, key))]))
}

function warnings(transports: Map<string, Scopes>): string[] {
  const place = within('transports', dockerTransport)
  return [...(transports.get(dockerTransport)?.keys() ?? [])]
    .filter((scope) => !canMatch(scope))
    .map((scope) => `${within(place, scope)} counts for no image: ${scopeAdvice}.`)
}

const scopeAdvice =
  'a scope is a full name such as docker.io/library/busybox:1.0, a repository, namespace or host above it, or *.example.com without a port'
