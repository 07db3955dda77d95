import type { Digest } from '../../reference/digest.ts'
import type { Repository } from '../../reference/repository.ts'
import { formatSlotPath } from '../../reference/tree-path.ts'
import type { StoredSignature } from '../../storage/storage.ts'
import { treePrefix } from '../reads.ts'

type Parameters = Record<string, string | number | undefined>

/** Every address that a page leads to, made of parsed values. `base`: where the server is mounted, `` or `/lookaside`. */
export function linksFrom(base: string) {
  const to = (path: string, parameters: Parameters = {}) => {
    const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '')
    const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
    return `${base}/${path}${query.size ? `?${query}` : ''}`
  }
  return {
    home: () => to(''),
    style: () => to('style.css'),
    icon: () => to('icon.svg'),
    search: (q?: string) => to('search', { q }),
    repositories: (query: { start?: string | undefined; after?: Repository } = {}) =>
      to('repositories', query),
    repository: (name: Repository, query: { reference?: string | undefined; before?: number } = {}) =>
      to(`repositories/${components(name)}`, query),
    digest: (name: Repository, digest: Digest) =>
      to(`repositories/${components(name)}@${components(digest)}`),
    allAt: (digest: Digest, after?: number) => to(`digests/${components(digest)}`, { after }),
    signers: () => to('keys'),
    key: (key: string, after?: number) => to(`keys/${encodeURIComponent(key)}`, { after }),
    signature: (id: number, before?: number) => to(`signature/${id}`, { before }),
    activity: (before?: number) => to('activity', { before }),
    gates: () => to('gates'),
    gate: (name: string, query: { image?: string; digest?: Digest } = {}) =>
      to(`gates/${encodeURIComponent(name)}`, query),
    mirrors: () => to('mirrors'),
    client: (registry?: string) => to('client', { registry }),
    slot: ({ repository, digest, slot }: Pick<StoredSignature, 'repository' | 'digest' | 'slot'>) =>
      to(`${treePrefix}${formatSlotPath({ kind: 'repository', name: repository, digest }, slot)}`),
    document: (id: number) => to(`api/v1/signatures/${id}`),
  }
}

export type Links = ReturnType<typeof linksFrom>

/** Escaped one by one, but for the signs between them, which a path may have: `team/app`, `sha256:…`. */
function components(text: string): string {
  return text.replace(/[^/:]+/g, encodeURIComponent)
}
