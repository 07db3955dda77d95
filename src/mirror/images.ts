import { readImageNames } from '../manifests/image-names.ts'
import { findManifestsIn } from '../manifests/instances.ts'
import { digestOfTag, registryManifests } from '../manifests/registry.ts'
import {
  type RegistryAccess,
  type RegistryRepository,
  registryRepository,
} from '../manifests/registry-repository.ts'
import { tagsOf } from '../manifests/tags.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/reference.ts'
import { formatLocation, type Location } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { beginRound, concurrency } from './round.ts'
import type { Destination, Fetch, Source } from './source.ts'
import { SourceTrouble } from './trouble.ts'
import { workThrough } from './work-through.ts'

export interface ImagesOptions {
  fetch: Fetch
  /** The file that names the images; it is read in each round. */
  images: string
  /** The registries of the images. */
  registry: RegistryAccess
  clock?: () => number
}

/** What an index consists of never changes, so that it is asked for once. */
interface SeenManifest {
  children: Digest[]
}

/** What cosign and referrers keep beside an image, under tags that are made of its digest: nobody signs that this way. */
const besideAnImage = /^sha256-[0-9a-f]{64}(?:\.[a-z]+)?$/

/**
 * A lookaside without listings, which is asked for the signatures of images: at the path that each has in its registry,
 * for the manifest that it names and for those of its platforms. What is named no more goes; what cannot be resolved
 * now does not.
 */
export function imagesSource({ fetch, images, registry, clock = Date.now }: ImagesOptions): Source {
  return { kind: 'images', copy: (destination, { signal }) => lookThrough(destination, signal) }

  async function lookThrough(destination: Destination, signal: AbortSignal): Promise<void> {
    const names = (await readImageNames(images)).map(({ image }) => image)
    const round = await beginRound({ destination, fetch, signal, clock })
    const registries = newRegistries(registry)
    const places = new Set<string>()
    let done = 0

    const readPlace = async (location: Location): Promise<void> => {
      await round.part(formatLocation(location), async () => void (await round.visit(location, null)))
      destination.report({ done: ++done, total: places.size })
    }

    const resolve = async (image: ImageReference, add: (task: Task) => void): Promise<void> => {
      const addDigest = (digest: Digest) => {
        const location: Location = { kind: 'repository', name: image.path, digest }
        const path = formatLocation(location)
        if (places.has(path)) return
        places.add(path)
        add(location)
      }
      const { digest = null, tag = null } = image
      if (digest === null && tag === null) {
        const tags = await registries.ask(image, tagsOf)
        for (const tag of tags) if (!besideAnImage.test(tag)) add({ ...image, tag })
        return
      }
      const named =
        digest ?? (await registries.ask(image, (repository) => digestOfTag(repository, tag as string)))
      addDigest(named)
      const noted = (await round.noted(named)) as SeenManifest | null
      const children =
        noted?.children ?? (await registries.ask(image, (repository) => childrenOf(named, repository)))
      if (!noted) await round.note(named, { children } satisfies SeenManifest)
      for (const child of children) addDigest(child)
    }

    const work = async (task: Task, add: (task: Task) => void): Promise<void> => {
      if ('kind' in task) return readPlace(task)
      signal.throwIfAborted()
      try {
        await resolve(task, add)
      } catch (error) {
        if (!(error instanceof RegistryTrouble)) throw error
        round.spoil(new SourceTrouble(error.message, { cause: error }))
      }
    }
    await workThrough<Task>(names, concurrency, work)
    await round.end(async () => true)
  }
}

type Task = ImageReference | Location

class RegistryTrouble extends Error {}

/** A registry that cannot be reached so often is left alone for the rest of the round. */
const maxFailures = 20

/** The registries of a round. What they answer, or do not, is thrown as trouble, and is no fault of this program. */
function newRegistries(access: RegistryAccess) {
  const repositories = new Map<string, RegistryRepository>()
  const failures = new Map<string, number>()
  return {
    async ask<T>(image: ImageReference, work: (repository: RegistryRepository) => Promise<T>): Promise<T> {
      const { host, path } = image
      const name = formatReference({ host, path })
      const failed = failures.get(host) ?? 0
      if (failed >= maxFailures) throw new RegistryTrouble(`${host} cannot be asked, nor for ${name}`)
      try {
        const repository = repositories.get(name) ?? registryRepository(image, access)
        repositories.set(name, repository)
        return await work(repository)
      } catch (error) {
        if (!(error instanceof Refusal)) failures.set(host, failed + 1)
        const { message } = error as Error
        throw new RegistryTrouble(`${formatReference(image)} cannot be resolved: ${message}`, {
          cause: error,
        })
      }
    },
  }
}

/** The manifests of the platforms of an index; none, where it is no index, or nothing that clients run. */
async function childrenOf(digest: Digest, repository: RegistryRepository): Promise<Digest[]> {
  try {
    const { instances } = await findManifestsIn(registryManifests(repository, {}), digest)
    return instances.map((instance) => instance.digest).filter((child) => child !== digest)
  } catch (error) {
    if (error instanceof Refusal && error.code === 'manifest') return []
    throw error
  }
}
