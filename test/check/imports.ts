import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * From left to right: a folder (or file at the top of src) may import what stands before it. What shares an entry may
 * not import each other. `lookaside.js` is the entry and imports `app` alone; `index.ts` is the library.
 */
const layers = [
  ['refusal', 'printable', 'give-way', 'turns'],
  ['reference'],
  ['claim', 'openpgp', 'access'],
  ['signature'],
  ['policy'],
  ['index'],
  ['durable', 'net'],
  ['config', 'tls', 'trust', 'identity', 'storage', 'manifests'],
  ['tree', 'clients'],
  ['admission'],
  ['mirror', 'bundle', 'bridge'],
  ['http', 'cli'],
  ['app'],
]

/** Exceptions, each with its reason. */
const siblingsAllowed = new Set([
  'config → tls', // One module reads the names of servers; the configuration has some.
  'cli → http', // The commands read the documents that the server writes: one type says what they are.
])

/** No input or output: these folders are the published library, and run in any thread. */
const pure = new Set(['reference', 'claim', 'openpgp', 'signature', 'policy', 'access', 'index'])
const impureModules =
  /^(?:node:)?(?:fs|net|tls|http|https|http2|dgram|dns|child_process|cluster|worker_threads)(?:\/.*)?$|^(?:better-sqlite3|fastify|@fastify\/.*|pino|pino-pretty)$/

/** Packages that one folder hides from the others. */
const owners: Record<string, string> = { openpgp: 'openpgp', 'better-sqlite3': 'storage' }

const entry = 'lookaside'

/** What the package exports, for others. */
const library = 'index'

interface Import {
  line: number
  /** Undefined where it is computed, so that nothing can be said about it. */
  specifier: string | undefined
}

/** One line for each import of the sources that points the wrong way: `src/tree/tree.ts:3: …`. */
export function findOffences(sources: string): string[] {
  return readdirSync(sources, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[jt]s$/.test(name) && !name.split(sep).includes('node_modules'))
    .sort()
    .flatMap((name) => offencesIn(sources, name))
}

function offencesIn(sources: string, name: string): string[] {
  const file = join(sources, name)
  const folder = folderOf(name)
  const label = `src/${name.split(sep).join('/')}`
  if (folder !== entry && rank(folder) < 0)
    return [`${label}:1: ${folder} has no place in the layers of test/check/imports.ts`]
  return importsOf(readFileSync(file, 'utf8')).flatMap(({ line, specifier }) => {
    const problem =
      specifier === undefined
        ? 'an import whose target is computed cannot be checked'
        : specifier.startsWith('.')
          ? offenceOfFile(folder, folderOf(relative(sources, resolve(dirname(file), specifier))), specifier)
          : offenceOfPackage(folder, specifier)
    return problem === undefined ? [] : [`${label}:${line}: ${problem}`]
  })
}

function offenceOfFile(from: string, to: string, specifier: string): string | undefined {
  if (from === to) return undefined
  if (to === '..') return `${specifier} is outside src`
  if (from === entry) return to === 'app' ? undefined : `the entry may import app alone, not ${to}`
  if (to === entry) return 'nothing may import the entry'
  if (to === library) return 'nothing may import the library: it is for others'
  if (rank(to) < 0) return `${to} has no place in the layers of test/check/imports.ts`
  if (rank(to) < rank(from) || siblingsAllowed.has(`${from} → ${to}`)) return undefined
  const relation = rank(to) === rank(from) ? 'its sibling' : 'which stands above it'
  return `${from} may not import ${to}, ${relation}`
}

function offenceOfPackage(folder: string, specifier: string): string | undefined {
  const owner = owners[specifier.split('/')[0] ?? '']
  if (owner !== undefined && owner !== folder) return `only ${owner} may import ${specifier}`
  if (pure.has(folder) && impureModules.test(specifier))
    return `${folder} does no input or output, so not ${specifier}`
  if (folder === entry && !specifier.startsWith('node:'))
    return `the entry may import app alone, not ${specifier}`
  return undefined
}

/** The first folder of a path below src, or the bare name of a file that is in none. */
function folderOf(path: string): string {
  const [first = '', ...rest] = path.split(sep)
  return rest.length > 0 ? first : first.replace(/(?:\.d)?\.[jt]s$/, '')
}

function rank(folder: string): number {
  return layers.findIndex((layer) => layer.includes(folder))
}

/**
 * Statements start their line, as the formatter sees to, and have no quotes or parentheses before `from`. A worker's
 * file, `new URL('./worker.ts', import.meta.url)`, is an import too; a URL of data is none.
 */
const forms: [pattern: RegExp, isModule: (specifier: string) => boolean][] = [
  [/^(?:import|export)\b[\w\s{},*$]*?\bfrom\s*(['"])(?<specifier>[^'"]+)\1/gm, () => true],
  [/^import\s*(['"])(?<specifier>[^'"]+)\1/gm, () => true],
  [/\b(?:import|require|import\.meta\.resolve)\(\s*(?:(['"])(?<specifier>[^'"]+)\1|(?=\S))/g, () => true],
  [
    /\bnew URL\(\s*(['"])(?<specifier>[^'"]+)\1\s*,\s*import\.meta\.url/g,
    (specifier) => /\.[jt]s$/.test(specifier),
  ],
]

export function importsOf(source: string): Import[] {
  const code = withoutComments(source)
  return forms
    .flatMap(([pattern, isModule]) =>
      [...code.matchAll(pattern)].map(({ index, groups }) => ({
        line: code.slice(0, index).split('\n').length,
        specifier: groups?.specifier,
        isModule: groups?.specifier === undefined || isModule(groups.specifier),
      })),
    )
    .filter(({ isModule }) => isModule)
    .map(({ line, specifier }) => ({ line, specifier }))
    .sort((one, other) => one.line - other.line)
}

/** Comments that have lines of their own, as all have here, are blanked; lines stay where they are. */
function withoutComments(source: string): string {
  return source
    .replaceAll(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replaceAll(/[^\n]/g, ' '))
    .replaceAll(/^[ \t]*\/\/.*$/gm, '')
}

function main(sources: string): void {
  const offences = findOffences(sources)
  for (const offence of offences) console.error(offence)
  if (offences.length > 0) process.exitCode = 1
}

const script = fileURLToPath(import.meta.url)
if (process.argv[1] === script) main(join(dirname(script), '../../src'))
