import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml'
import { ConfigurationError } from './configuration-error.ts'
import type { Path } from './keys.ts'

/** More than any configuration refers to its anchors; fewer than a document needs that grows without end from a few lines. */
const maxAliasCount = 100

export interface YamlText {
  value: unknown
  /** The line, from 1, of the key or item that a path leads to, or of what it is in where it leads to none. */
  lineOf: (path: Path) => number
}

/** Reads one YAML 1.2 document. `label` is what messages begin with: a file, a variable, a flag. */
export function readYaml(text: string, label: string): YamlText {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true })
  const [problem] = [...document.errors, ...document.warnings]
  if (problem !== undefined) {
    const line = lines.linePos(problem.pos[0]).line
    throw new ConfigurationError(`${label}:${line}: ${describe(problem, text)}`)
  }
  try {
    const value = document.toJS({ maxAliasCount })
    return { value, lineOf: (path) => lines.linePos(offsetOf(document, path)).line }
  } catch (cause) {
    throw new ConfigurationError(`${label}: ${(cause as Error).message}`, { cause })
  }
}

function offsetOf(document: Document.Parsed, path: Path): number {
  let node: Node | null | undefined = document.contents
  let offset = node?.range?.[0] ?? 0
  for (const part of path) {
    const holder: Node | null | undefined = isAlias(node) ? node.resolve(document) : node
    if (isMap(holder)) {
      const pair = holder.items.find(({ key }) => isScalar(key) && key.value === part)
      if (pair === undefined) return offset
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value as Node | null
    } else if (isSeq(holder)) {
      node = holder.items[Number(part)] as Node | undefined
      offset = node?.range?.[0] ?? offset
    } else {
      return offset
    }
  }
  return offset
}

function describe({ code, message, pos }: YAMLError, text: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document starts here'
  if (code !== 'DUPLICATE_KEY') return message
  return `${/^[^\s:,}]*/.exec(text.slice(pos[0], pos[0] + 100))?.[0]} is there twice`
}
