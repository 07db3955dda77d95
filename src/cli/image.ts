import type { Command } from 'commander'
import { findManifests, type ImageManifests, type Source } from '../manifests/instances.ts'
import { readCaFile } from '../net/ca-file.ts'
import { type Digest, parseDigest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { version } from './version.ts'

/** Ways to say which manifest is meant. */
export interface DigestOptions {
  digest?: string
  manifest?: string
  fromRegistry?: boolean
  ociLayout?: string
  authfile?: string
  registryCa?: string
}

/** The options of commands that must know which manifest an image is. */
export function onImage(command: Command): Command {
  return command
    .option('--digest <digest>', 'of the manifest in the registry')
    .option(
      '--manifest <file>',
      'the manifest in the registry, as skopeo inspect --raw prints it; - for standard input',
    )
    .option('--from-registry', 'ask the registry of the image for the manifest')
    .option('--oci-layout <dir[:name]>', 'find the manifest in an OCI layout, as skopeo and podman name it')
    .option('--authfile <file>', 'credentials for the registry (default: where podman and docker keep them)')
    .option('--registry-ca <file>', 'a CA to trust for the registry, beside the system and certs.d')
}

/** What an image is called: by its tag if it has one, else by its digest. c/image refuses both at once. */
export function identityOf({ tag, digest, ...name }: ImageReference): ImageReference {
  return tag !== undefined ? { ...name, tag } : { ...name, ...(digest !== undefined && { digest }) }
}

/**
 * The digest of an image, from whatever says it.
 * @throws Refusal configuration where nothing says it, or two say different things; what `findManifests` throws
 */
export async function digestOf(
  image: ImageReference,
  options: DigestOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Digest> {
  const digest = (await manifestsOf(image, options, env))?.digest ?? givenDigest(image, options)
  if (digest !== undefined) return digest
  throw new Refusal(
    'configuration',
    'Name what is meant: NAME:TAG@DIGEST, --digest, --from-registry, --oci-layout, or --manifest with what ' +
      'skopeo inspect --raw prints',
  )
}

/**
 * The manifests of an image, from where the options say; null where they name no such place.
 * @throws Refusal configuration where they name two, or what is there is not what else says the digest; what
 * `findManifests` throws
 */
export async function manifestsOf(
  image: ImageReference,
  options: DigestOptions,
  env: NodeJS.ProcessEnv,
): Promise<ImageManifests | null> {
  const source = sourceOf(options, env)
  const digest = givenDigest(image, options)
  return source && findManifests({ ...image, ...(digest !== undefined && { digest }) }, source)
}

function givenDigest({ digest }: ImageReference, options: DigestOptions): Digest | undefined {
  const given = options.digest === undefined ? undefined : parseDigest(options.digest)
  if (digest !== undefined && given !== undefined && given !== digest)
    throw new Refusal('configuration', `The digest is ${digest} or ${given}, not both`)
  return digest ?? given
}

function sourceOf(options: DigestOptions, env: NodeJS.ProcessEnv): Source | null {
  const { manifest, ociLayout, fromRegistry = false, authfile, registryCa } = options
  const sources: Source[] = []
  if (manifest !== undefined) sources.push({ kind: 'file', file: manifest })
  if (ociLayout !== undefined) sources.push({ kind: 'oci-layout', place: ociLayout })
  if (fromRegistry) {
    const ca = registryCa === undefined ? null : readCaFile(registryCa)
    const userAgent = `lookaside/${version}`
    sources.push({ kind: 'registry', access: { env, authFile: authfile ?? null, ca, userAgent } })
  } else if (authfile !== undefined || registryCa !== undefined)
    throw new Refusal('configuration', '--authfile and --registry-ca are for --from-registry')
  if (sources.length > 1)
    throw new Refusal('configuration', 'Name one of --from-registry, --oci-layout and --manifest')
  return sources[0] ?? null
}
