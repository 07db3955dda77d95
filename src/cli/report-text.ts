import { formatKeyName, type KeyName, type RequirementReport } from '../policy/report.ts'
import { inUtc, reasonInWords, signerInWords, trialInWords } from '../policy/report-words.ts'
import type { Judgement } from './judge.ts'

/** What came of one manifest, a line each, for people: what is met and by whom, what is not, and who could help. */
export function reportLines({ requirements, unreadable }: Judgement): string[] {
  return [
    ...requirements.flatMap((requirement) => [
      `${requirement.met ? 'met    ' : 'not met'}  ${requirement.place}: ${inWords(requirement)}`,
      ...(requirement.met ? [] : requirement.tried.map((trial) => `           ${trialInWords(trial)}`)),
    ]),
    ...unreadable.map(({ slot, detail, failsClients }) => {
      const what = failsClients ? 'is none, and clients fail at it' : 'does not count'
      return `${failsClients ? 'not met' : 'unread '}  signature-${slot} ${what}: ${detail}`
    }),
  ]
}

function inWords(requirement: RequirementReport): string {
  const { met, reason, by, wanted = [] } = requirement
  const signatures = by
    .map(({ slot, created, ...key }) => `signature-${slot}, ${signerInWords(key)}, signed ${inUtc(created)}`)
    .join('; ')
  if (met) return signatures || 'anything is accepted'
  const counted = reason === 'too-few-keys' ? `: ${signatures}` : ''
  const help = wanted.length ? `; wanted: ${wantedKeys(wanted)}` : ''
  return `${reasonInWords(requirement)}${counted}${help}`
}

/** Of hundreds of keys a person reads the first ones. */
const maxKeysNamed = 5

function wantedKeys(wanted: KeyName[]): string {
  const named = wanted.slice(0, maxKeysNamed).map(formatKeyName)
  const more = wanted.length - named.length
  return more > 0 ? `${named.join(', ')}, or ${more} more` : named.join(' or ')
}
