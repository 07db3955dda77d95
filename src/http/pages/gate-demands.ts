import type { Demand, GateDemands } from '../../policy/demands.ts'
import { demandInWords, identityInWords } from '../../policy/report-words.ts'
import type { Links } from './links.ts'
import { type Html, html, imageName, keyName, said } from './parts.ts'

/** Of thousands of places a person reads the first ones. */
const maxScopesShown = 50

/** What a gate asks, before it is asked about an image. */
export function gateDemands({ scopes, thresholds, maxAge, index }: GateDemands, to: Links): Html {
  const shown =
    scopes.length > maxScopesShown ? [...scopes.slice(0, maxScopesShown), ...scopes.slice(-1)] : scopes
  return html`<section aria-labelledby="asks"><h2 id="asks">What it asks</h2>
${scopes.length > 1 && html`<p>What counts for an image is the entry that names it most closely.</p>`}
<ol class="entries">${shown.map(({ scope, demands }) => entry(scope === null ? otherwise(scopes.length) : html`Images of <code>${imageName(scope)}</code>`, demands, to))}
${thresholds.length > 0 && entry(html`Besides, every image`, thresholds, to)}</ol>
${shown.length < scopes.length && html`<p>The policy has ${scopes.length - shown.length} more entries.</p>`}
${maxAge !== null && html`<p>Signatures that were made longer than ${ageInWords(maxAge)} ago do not count.</p>`}
${index === 'required' && html`<p>The index of a multi-architecture image must pass like the images in it.</p>`}</section>`
}

function otherwise(entries: number): Html {
  return entries > 1 ? html`Any other image` : html`Every image`
}

function entry(heading: Html, demands: readonly Demand[], to: Links): Html {
  return html`<li><h3>${heading}</h3>${demands.length > 1 && html`<p>All of this:</p>`}${demands.map((demand) => html`<p class="wanted">${said(demandInWords(demand))}</p>${keys(demand, to)}`)}</li>`
}

function keys({ signatures }: Demand, to: Links): Html {
  if (!signatures?.keys.length) return html``
  const { keys, otherKeys, signedIdentity } = signatures
  const names = identityInWords(signedIdentity)
  return html`<ul class="plain">${keys.map((key) => html`<li>${keyName(key, to)}</li>`)}${otherKeys > 0 && html`<li>or ${otherKeys} more</li>`}</ul>
${names && html`<p>${said(names)}</p>`}`
}

const units: [seconds: number, name: string][] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
]

function ageInWords(seconds: number): string {
  const [size, name] = units.find(([size]) => seconds % size === 0) as (typeof units)[number]
  const count = seconds / size
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
