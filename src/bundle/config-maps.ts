import { stringify } from 'yaml'
import type { Digest } from '../reference/digest.ts'
import type { Storage } from '../storage/storage.ts'
import { byDigest, type SignaturesOfDigest, type Subjects } from './by-digest.ts'
import { leftOutOf, type Written } from './folder.ts'

/** Of a ConfigMap, decoded (k8s.io/api/core/v1, `MaxSecretSize`). */
const maxBytes = 1024 * 1024

/** `kubectl apply` keeps a copy of what it is given, base64 and all, in an annotation of at most 256 KiB. */
const comfortableBytes = 176 * 1024

/**
 * The signatures of each digest as a ConfigMap, which clusters without a network verify releases by: one YAML document
 * each, or several where one would be too large (openshift/library-go, pkg/verify/store/configmap). `written` is filled
 * in meanwhile.
 */
export async function* configMaps(
  storage: Pick<Storage, 'locations' | 'list'>,
  subjects: Subjects,
  written: Written,
): AsyncGenerator<Uint8Array> {
  for await (const found of byDigest(storage, subjects)) {
    const { digest, leftOut } = found
    if (leftOut) written.warnings.push(leftOutOf(digest, leftOut))
    for (const [index, binaryData] of documentsOf(found, written).entries()) {
      yield Buffer.from(`---\n${stringify(configMap(digest, index, binaryData), { lineWidth: 0 })}`)
      written.signatures += Object.keys(binaryData).length
      if (index === 0) written.digests++
    }
  }
}

function configMap(digest: Digest, index: number, binaryData: Record<string, string>) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      // As `oc adm release mirror` and oc-mirror call it.
      name: `${digest.replace(':', '-')}${index === 0 ? '' : `-part-${index + 1}`}`,
      namespace: 'openshift-config-managed',
      labels: { 'release.openshift.io/verification-signatures': '' },
    },
    binaryData,
  }
}

function documentsOf({ digest, signatures }: SignaturesOfDigest, written: Written): Record<string, string>[] {
  const documents: Record<string, string>[] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const [index, { blob }] of signatures.entries()) {
    if (blob.length > maxBytes) {
      written.warnings.push(
        `${digest}: a signature of ${blob.length} bytes is left out: no ConfigMap holds it`,
      )
      continue
    }
    if (bytes + blob.length > comfortableBytes) {
      documents.push({})
      bytes = 0
    }
    const document = documents.at(-1) as Record<string, string>
    document[`${digest.replace(':', '-')}-${index + 1}`] = Buffer.from(blob).toString('base64')
    bytes += blob.length
  }
  return documents
}
