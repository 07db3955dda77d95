import { isRepository, maxRepositoryLength, type Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'

declare const checked: unique symbol

/**
 * A repository glob. `team/app` is itself; `*` stands for any part of one component (`team/*`, `team/app-*`), never
 * across a slash; `**`, always a whole component, for one or more components: `team/**` is everything below `team`
 * without `team` itself, and `**` is every repository.
 */
export type Pattern = string & { readonly [checked]: 'Pattern' }

/** The glob that covers every repository. */
export const everywhere = '**' as Pattern

/** @throws Refusal bad-pattern */
export function parsePattern(text: string): Pattern {
  if (!isPattern(text)) {
    throw new Refusal(
      'bad-pattern',
      `"${text.slice(0, maxRepositoryLength)}" is not a repository pattern: write team/app, team/*, team/** or **.`,
    )
  }
  return text
}

function isPattern(text: string): text is Pattern {
  if (text.length > maxRepositoryLength) return false
  if (!text.includes('*')) return isRepository(text)
  return text.split('/').every((component) => component === '**' || isComponentPattern(component))
}

function isComponentPattern(component: string): boolean {
  return /^[a-z0-9._*-]+$/.test(component) && !component.includes('**')
}

/** Whether the pattern covers the repository. */
export function matches(pattern: Pattern, repository: Repository): boolean {
  return matchesComponents(pattern.split('/'), repository.split('/'))
}

/** Steps through the pattern with every position it can have reached, so that no pattern makes it go back. */
function matchesComponents(pattern: string[], components: string[]): boolean {
  let reached = [0]
  for (const part of pattern) {
    reached =
      part === '**'
        ? positionsAfter(reached[0] ?? components.length, components.length)
        : reached
            .filter((at) => at < components.length && matchesComponent(part, components[at] ?? ''))
            .map((at) => at + 1)
  }
  return reached.at(-1) === components.length
}

function positionsAfter(position: number, last: number): number[] {
  return Array.from({ length: last - position }, (_, index) => position + 1 + index)
}

function matchesComponent(pattern: string, component: string): boolean {
  const [first = '', ...pieces] = pattern.split('*')
  const last = pieces.pop()
  if (last === undefined) return pattern === component
  const end = component.length - last.length
  if (end < first.length || !component.startsWith(first) || !component.endsWith(last)) return false
  let at = first.length
  for (const piece of pieces) {
    const found = component.indexOf(piece, at)
    if (found < 0 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}
