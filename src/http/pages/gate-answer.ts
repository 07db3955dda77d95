import type { GateAnswer } from '../../admission/gates.ts'
import { maxKeysNamed } from '../../policy/demands.ts'
import type { KeyName, RequirementReport } from '../../policy/report.ts'
import { reasonInWords, trialInWords } from '../../policy/report-words.ts'
import type { Digest } from '../../reference/digest.ts'
import type { Links } from './links.ts'
import { badge, type Html, html, imageName, keyName, said, time } from './parts.ts'

/** In short: passes or not, and who is missing. */
export function gateOutcome(
  { gate, image, passed, requirements }: GateAnswer,
  digest: Digest,
  to: Links,
): Html {
  return html`<h3>${badge(passed ? 'good' : 'bad', passed ? 'Passes' : 'Does not pass')} <span><a href="${to.gate(gate, { image, digest })}">${gate}</a> <span class="part">as ${imageName(image)}</span></span></h3>
${requirements.length > 1 && !passed && html`<p>${requirements.filter(({ met }) => met).length} of ${requirements.length} requirements are met.</p>`}
${requirements.filter(({ met }) => !met).map((requirement) => html`${unmet(requirement)}${wantedKeys(requirement.wanted, to)}`)}`
}

/** Requirement by requirement: what is met and by whom, who is missing, and why other signatures do not count. */
export function gateRequirements({ requirements }: GateAnswer, to: Links): Html {
  return html`<ol class="entries">${requirements.map((requirement, at) => {
    const { met, place, by, tried, wanted } = requirement
    return html`<li><h3>${badge(met ? 'good' : 'bad', met ? 'Met' : 'Not met')} Requirement ${at + 1} of ${requirements.length} <code class="part">${said(place)}</code></h3>
${met && !by.length ? html`<p>Anything is accepted.</p>` : ''}${met ? '' : unmet(requirement)}
${by.length ? html`<ul class="plain">${by.map(({ slot, created, userId, primaryFingerprint }) => html`<li>signature-${slot} by ${primaryFingerprint === null ? 'nobody' : keyName({ userId, fingerprint: primaryFingerprint }, to)}, signed ${time(Date.parse(created))}</li>`)}</ul>` : ''}
${wantedKeys(wanted, to)}
${tried.length ? html`<details><summary>What does not count</summary><ul class="plain">${tried.map((trial) => html`<li>${said(trialInWords(trial))}</li>`)}</ul></details>` : ''}</li>`
  })}</ol>`
}

/** Where signatures are there and others are missing, who is missing says it all: those that are there may count elsewhere. */
function unmet(requirement: RequirementReport): Html {
  if (requirement.reason === 'none-accepted' && requirement.wanted?.length) return html``
  const sentence = reasonInWords(requirement).replace(/^[a-z]/, (letter) => letter.toUpperCase())
  return html`<p>${said(sentence)}.</p>`
}

function wantedKeys(wanted: readonly KeyName[] = [], to: Links): Html {
  if (!wanted.length) return html``
  const others = wanted.length - maxKeysNamed
  return html`<p class="wanted">Missing: a signature by ${wanted.length === 1 ? '' : 'one of'}</p><ul class="plain">${wanted.slice(0, maxKeysNamed).map((key, at) => html`<li>${at > 0 && 'or '}${keyName(key, to)}</li>`)}${others > 0 && html`<li>or ${others} more</li>`}</ul>`
}
