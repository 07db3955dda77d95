import type { Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { everywhere, matches, type Pattern, parsePattern } from './pattern.ts'

/** What a principal may be allowed to do. `relocate`: put a signature at another repository than its claim names. */
export type Action = 'push' | 'withdraw' | 'relocate' | 'read' | 'admin'

/** One thing allowed, in the repositories of a pattern. `admin` has no pattern and includes everything. */
export type Scope = { action: Exclude<Action, 'admin'>; pattern: Pattern } | { action: 'admin' }

/** Who asks: the name is the token's, for logs and for who uploaded what. */
export interface Principal {
  name: string
  scopes: Scope[]
}

const patternActions = ['push', 'withdraw', 'relocate', 'read'] as const

/**
 * Reads `push:team/**` or `admin`.
 * @throws Refusal bad-pattern
 */
export function parseScope(text: string): Scope {
  if (text === 'admin') return { action: 'admin' }
  const colon = text.indexOf(':')
  const action = patternActions.find((candidate) => candidate === text.slice(0, Math.max(colon, 0)))
  if (action === undefined) {
    throw new Refusal(
      'bad-pattern',
      `"${text.slice(0, 300)}" is not a scope: write admin, or ${patternActions.join(', ')} with a pattern, such as push:team/**.`,
    )
  }
  return { action, pattern: parsePattern(text.slice(colon + 1)) }
}

/** `push:team/**`; reading it again gives the same scope. */
export function formatScope(scope: Scope): string {
  return scope.action === 'admin' ? 'admin' : `${scope.action}:${scope.pattern}`
}

/**
 * The only place that answers whether somebody may do something. Without a repository the question is about all of
 * them at once, such as reading the whole log: only a scope of `**` or `admin` allows it.
 */
export function may(principal: Principal, action: Action, repository?: Repository): boolean {
  return principal.scopes.some((scope) => {
    if (scope.action === 'admin') return true
    if (scope.action !== action) return false
    return repository === undefined ? scope.pattern === everywhere : matches(scope.pattern, repository)
  })
}
