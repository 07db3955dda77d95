import type { MirrorConfig } from '../config/config.ts'
import { feedAt, feedSource, serverOf } from './feed.ts'
import { imagesSource } from './images.ts'
import { listingSource } from './listing.ts'
import type { Fetch, Source } from './source.ts'

/**
 * What kind of source it is: images, where a file names them; else a Lookaside, where there is a change log; else a
 * tree with listings.
 */
export async function detectSource(
  { from, images }: MirrorConfig,
  { fetch, userAgent, signal }: { fetch: Fetch; userAgent: string; signal: AbortSignal },
): Promise<Source> {
  if (images !== undefined) {
    // Their registry is asked as podman and skopeo ask it: their credentials, and the certificates of certs.d.
    const registry = { env: process.env, authFile: null, ca: null, userAgent }
    return imagesSource({ fetch, images, registry })
  }
  const server = serverOf(from)
  if (await feedAt(fetch, server)({ after: 0, limit: 1 }, signal)) return feedSource(fetch, server)
  return listingSource({ fetch, from })
}
