import type { Scope } from './principal.ts'

/** The names of a certificate that may say whose it is: its whole subject, or one of its alternative names (RFC 5280, 4.2.1.6). */
export const clientNameKinds = ['subject', 'dns', 'uri', 'email'] as const

export interface ClientName {
  kind: string
  name: string
}

/** What whoever has a name in a certificate is allowed. */
export interface ClientRule extends ClientName {
  kind: (typeof clientNameKinds)[number]
  scopes: readonly Scope[]
}

/** The rules that one of the names matches, character by character. */
export function rulesFor(rules: readonly ClientRule[], names: readonly ClientName[]): ClientRule[] {
  return rules.filter((rule) => names.some(({ kind, name }) => kind === rule.kind && name === rule.name))
}
