import { isTag } from '../reference/reference.ts'
import type { RegistryRepository } from './registry-repository.ts'

/** What is asked for at once; registries give fewer, as they like. */
const pageSize = 1000

/** More than the largest repositories have. */
const maxTags = 100_000

/**
 * All tags of a repository, each once, in the order of the registry.
 * @throws as `RegistryRepository.ask`; Error where they have no end
 */
export async function tagsOf(repository: RegistryRepository): Promise<string[]> {
  const { host, path } = repository
  const tags = new Set<string>()
  let below: string | null = `tags/list?n=${pageSize}`
  while (below !== null) {
    const known = tags.size
    const { headers, body } = await repository.ask(below, { name: `the list of tags of ${host}/${path}` })
    for (const tag of tagsIn(body, host)) tags.add(tag)
    below = nextIn(headers.link, repository)
    if (tags.size > maxTags)
      throw new Error(`${host} has more tags of ${path} than are read: name those that are wanted`)
    if (below !== null && tags.size === known)
      throw new Error(`At ${host} the list of tags of ${path} has no end`)
  }
  return [...tags]
}

function tagsIn(body: Buffer, host: string): string[] {
  // Null where a repository had some once (distribution).
  const { tags } = parse(body, host)
  if (tags === null) return []
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string'))
    throw new Error(`${host} answered without a list of tags`)
  return tags.filter(isTag)
}

function parse(body: Buffer, host: string): { tags?: unknown } {
  try {
    return Object(JSON.parse(body.toString()))
  } catch (cause) {
    throw new Error(`${host} answered with what is no list of tags`, { cause })
  }
}

/** RFC 8288, as the distribution specification has it. Only to the same list does it lead. */
function nextIn(link: string | string[] | undefined, { host, path }: RegistryRepository): string | null {
  const target = /<([^<>]*)>\s*;[^,]*\brel="?next\b/i.exec(String(link ?? ''))?.[1]
  if (target === undefined) return null
  const here = new URL(`https://${host}/v2/${path}/tags/list`)
  const url = URL.canParse(target, here.href) ? new URL(target, here) : null
  if (url?.pathname === here.pathname && url.search !== '') return `tags/list${url.search}`
  throw new Error(`${host} says that the list of tags of ${path} goes on at ${target.slice(0, 200)}`)
}
