import { Refusal } from '../refusal.ts'

declare const checked: unique symbol

/** The path of a repository as it stands in a lookaside URL, without registry host: `library/busybox`. */
export type Repository = string & { readonly [checked]: 'Repository' }

/** distribution/reference, `RepositoryNameTotalLengthMax`. */
export const maxRepositoryLength = 255

/** distribution/reference, `remoteName`. It admits no `.` or `..`, no `@`, no `=`, and no empty component. */
const pattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/

/** Whether it is one, of at most `maxRepositoryLength` characters. */
export function isRepository(text: string): text is Repository {
  return text.length <= maxRepositoryLength && pattern.test(text)
}

/** @throws Refusal bad-reference */
export function parseRepository(text: string): Repository {
  if (isRepository(text)) return text
  throw new Refusal('bad-reference', whyNotARepository(text))
}

/** The sentence for a person whose repository was refused. */
export function whyNotARepository(text: string): string {
  if (text === '') return 'The repository name is empty.'
  if (text.length > maxRepositoryLength) {
    return `The repository name has ${text.length} characters; ${maxRepositoryLength} are allowed.`
  }
  if (/[A-Z]/.test(text)) return `The repository name "${text}" must be lower-case.`
  return `"${text}" is not a repository name: components of a-z and 0-9, joined by one of . _ __ or dashes, separated by /.`
}
