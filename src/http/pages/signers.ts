import { type KeyState, stateAt } from '../../openpgp/key-state.ts'
import type { KeyringKey } from '../../storage/verdicts.ts'
import { requireRead } from '../authenticate.ts'
import { html, keyBadge, keyName, table, time } from './parts.ts'
import type { View } from './site.ts'

/** Of more of them people search for a name. */
const maxShown = 200

/** Whose signatures this server knows, and until when they can sign. */
export const signers: View = async ({ storage, clock, to }, _request, reader) => {
  requireRead(reader)
  const certificates = Map.groupBy(await storage.keyring(), ({ primaryFingerprint }) => primaryFingerprint)
  const now = clock() / 1000
  const shown = [...certificates].slice(0, maxShown)
  const body = html`
<p>The keys that the policies and gates of this server name. A signature by any other key is one that nobody here vouches for.</p>
${
  shown.length
    ? table(
        'Signers that this server knows',
        ['Signer', 'Now', 'Until'],
        shown.map(([fingerprint, keys]) => {
          const { state, until } = outlook(keys, now)
          return [
            keyName({ userId: keys[0]?.userId ?? null, fingerprint }, to),
            keyBadge(state),
            until === null ? (state === 'good' ? 'no end is set' : '–') : time(until * 1000),
          ]
        }),
      )
    : html`<p>It knows none: <code>policy</code> and <code>gates</code> in its configuration name them.</p>`
}
${certificates.size > maxShown && html`<p>There are ${certificates.size - maxShown} more: search for a name.</p>`}`
  return { title: 'Signers', section: 'search', body, q: '' }
}

/** Of all keys of a certificate the one that can sign for longest; `until` in Unix seconds, null where there is no end. */
function outlook(keys: readonly KeyringKey[], now: number): { state: KeyState; until: number | null } {
  const good = keys.filter(({ timeline }) => stateAt(timeline, now) === 'good')
  const [first] = keys
  if (!good.length) return { state: first ? stateAt(first.timeline, now) : 'revoked', until: null }
  const ends = good.map(
    ({ timeline }) => timeline.find(({ from }) => from > now)?.from ?? Number.POSITIVE_INFINITY,
  )
  const until = Math.max(...ends)
  return { state: 'good', until: Number.isFinite(until) ? until : null }
}
