import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { stringify } from 'yaml'
import type { Target } from './target.ts'

/** What a client's registries.d gets, and the name of the file that it is in. */
export interface Entry {
  fileName: string
  /** A registry host. */
  namespace: string
  lookaside: string
  /** A `file:` URL; null on machines that do not sign. */
  staging: string | null
}

export interface ClientFile {
  /** From a configuration folder such as /etc/containers. */
  path: string
  content: string
}

export interface ClientFiles {
  entry: Entry
  registriesD: ClientFile
  certsD: ClientFile | null
}

/**
 * `staging` is the folder that a signer's files go to; null on machines that do not sign. `default-docker` is never
 * written: it would send clients here for every registry they have.
 */
export function clientFiles({ registry, url, prefix, ca }: Target, staging: string | null): ClientFiles {
  const lookaside = `${url}/signatures${prefix && `/${prefix}`}`
  const fileName = `lookaside-${registry}.yaml`
  const entry = {
    fileName,
    namespace: registry,
    lookaside,
    staging: staging && pathToFileURL(resolve(staging)).href,
  }
  const section = { lookaside, ...(entry.staging !== null && { 'lookaside-staging': entry.staging }) }
  const settings = stringify({ docker: { [registry]: section } }, { lineWidth: 0 })
  return {
    entry,
    registriesD: {
      path: `registries.d/${fileName}`,
      content: `# From lookaside client-config. No other file in this folder may name ${registry}.\n${settings}${staging === null ? stagingHint : ''}`,
    },
    certsD: ca === null ? null : { path: `certs.d/${registry}/lookaside.crt`, content: ca },
  }
}

const stagingHint = `    # Where skopeo copy --sign-by and podman push --sign-by leave signatures, for lookaside push:
    # lookaside-staging: file:///var/lib/lookaside-staging
`

/** For policy.json: images of that registry must be signed by a key in this file. */
const signedImagesOf = (registry: string) => ({
  [registry]: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/etc/pki/containers/signer.asc' }],
})

/** A whole policy.json of a client that asks for signatures of one registry's images, and of no others. */
export function policyFile(registry: string): ClientFile {
  const policy = {
    default: [{ type: 'insecureAcceptAnything' }],
    transports: { docker: signedImagesOf(registry) },
  }
  return { path: 'policy.json', content: `${JSON.stringify(policy, null, 2)}\n` }
}

/**
 * A shell script that puts the files on a client. What it quotes holds no quote: see the grammars of host and URL.
 * @param isPresent whether the client has the entry already, in a file of another name: two would fail every pull
 */
export function clientScript(
  { entry, registriesD, certsD }: ClientFiles,
  names: string[] | null,
  isPresent: boolean,
): string {
  const folder = '/etc/containers'
  const { namespace: registry } = entry
  return [
    `# For clients of ${registry}: podman, skopeo, buildah, CRI-O. To be run there as root.`,
    '# Where ~/.config/containers/registries.d exists, it is read instead of /etc/containers/registries.d.',
    ...(isPresent
      ? [`# The entry for ${registry} is there already.`]
      : put(join(folder, registriesD.path), registriesD.content)),
    ...(certsD
      ? [
          '',
          '# The TLS settings of a lookaside are those of the registry. The first folder that exists is read, and no other:',
          `# ~/.config/containers/certs.d/${registry}, /etc/containers/certs.d/${registry}, /etc/docker/certs.d/${registry}.`,
          `# The CA is added to those of the system, for the registry too${names ? `; it can vouch for nothing but ${names.join(', ')}` : ''}.`,
          ...put(join(folder, certsD.path), certsD.content),
        ]
      : []),
    '',
    '# Signatures are asked for where /etc/containers/policy.json says so, for example under "transports":',
    `#   "docker": ${JSON.stringify(signedImagesOf(registry))}`,
  ].join('\n')
}

function put(path: string, content: string): string[] {
  const folder = path.slice(0, path.lastIndexOf('/'))
  return [`mkdir -p '${folder}'`, `cat > '${path}' <<'END'`, `${content}END`]
}
