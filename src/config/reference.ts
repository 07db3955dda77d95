import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import {
  allKeys,
  expected,
  flags,
  isSection,
  type Key,
  type SchemaNode,
  valuesOf,
  variableOf,
} from './keys.ts'

/** The texts that are made from the schema, by their path from the folder of the project. */
export function referenceTexts(): Record<string, string> {
  return { 'config/lookaside.yaml': referenceFile(), 'docs/configuration.md': referencePage() }
}

/** Every key with its description, the settings commented out: as it stands, the file changes nothing. */
function referenceFile(): string {
  const intro = wrap(
    'The configuration of lookaside. Every key is here, commented out, with its default or an example: take the # from a line that has no space after it to set the key. Each key also has an environment variable, and the common ones a flag: see docs/configuration.md. This file is made from src/config/schema.ts.',
    98,
  )
  return `${[...intro.map((line) => `# ${line}`), ...allKeys().flatMap(entry)].join('\n')}\n`
}

function entry(key: Key, index: number, keys: Key[]): string[] {
  const indent = '  '.repeat(key.path.length - 1)
  const name = key.path.at(-1) ?? ''
  const opensSection = keys[index - 1]?.path.length === key.path.length - 1
  const comment = wrap(comments(key.node).join(' '), 98 - indent.length).map((line) => `${indent}# ${line}`)
  const { default: fallback, examples = [] } = key.node
  const line = isSection(key.node) ? `${name}:` : `#${name}: ${yaml(fallback ?? examples[0])}`
  return [...(opensSection ? [] : ['']), ...comment, `${indent}${line}`]
}

function comments(node: SchemaNode): string[] {
  const { description = '', default: fallback, examples = [] } = node
  if (isSection(node)) return [description]
  const items = partsOf(node).map(
    ({ name, node: part }) => `${name.replace(/^(\[\])?\./, '')}: ${part.description}.`,
  )
  const type = node.type === 'string' ? [] : [`Must be ${expected(node)}.`]
  const example = examples.map((value) =>
    fallback === undefined ? 'Not set by default; for example:' : `For example: ${yaml(value)}`,
  )
  return [description, ...items, ...type, ...example]
}

/** The page of the documentation: where settings come from, and a table of all. */
function referencePage(): string {
  return `${pageIntro}${[...allKeys().flatMap(rows)].join('\n')}\n`
}

const pageIntro = `# Configuration reference

The server runs without any configuration. What is to be different is written to a YAML file, named with
\`--config\`; [config/lookaside.yaml](../config/lookaside.yaml) has every key with its default, ready to copy.

Settings are taken from, each over the ones before:

1. the defaults below,
2. the file,
3. environment variables: a value is written as in YAML, so a list is \`[a, b]\` and a section \`{key: value}\`; the
   variable of a key goes before the one of its section, and an empty variable counts as not set,
4. flags of the command line.

They are taken key by key. A list is one value: a source that has it replaces it whole.

A key that does not exist, a value of the wrong type, or a file that is missing stops the start with one line that
names the file and line, the variable or the flag, and the key. A variable that starts with \`LOOKASIDE_\` and is none
of those below is warned of and ignored. (\`LOOKASIDE_SERVER\`, \`LOOKASIDE_TOKEN\` and \`LOOKASIDE_CA\` are for the
commands that talk to a server. What Kubernetes sets for a service called lookaside, \`LOOKASIDE_PORT…\` and
\`LOOKASIDE_SERVICE_…\`, is ignored.)

A relative path starts at the working directory of the server; but in the configuration file, paths of files (\`tls.cert\`,
\`tls.key\`, \`tls.clientCa\`, \`policy\`, \`registry.ca\`, those of \`gates\` and \`mirrors\`, the folders of \`publish\`) start at the folder of that file.

This page is made from \`src/config/schema.ts\`; \`node src/config/reference.ts --write\` makes it again.

| Key | Variable and flag | Value | Default | Meaning |
|---|---|---|---|---|
`

function rows(key: Key): string[] {
  const flag = flags[key.name]
  const names = [variableOf(key), ...(flag === undefined ? [] : [flag])].map(code).join(' ')
  const items = partsOf(key.node, key.name).map(({ name, node }) => row(name, '', node))
  return [row(key.name, names, key.node), ...items]
}

/** What is in a list or a mapping: `[].host`, `.NAME.keys[].of`. */
function partsOf(node: SchemaNode, name = ''): { name: string; node: SchemaNode }[] {
  const named = valuesOf(node)
  const holder = named === undefined ? `${name}[]` : `${name}.NAME`
  return Object.entries((named ?? node.items)?.properties ?? {}).flatMap(([key, part]) => {
    return [{ name: `${holder}.${key}`, node: part }, ...partsOf(part, `${holder}.${key}`)]
  })
}

function row(name: string, names: string, node: SchemaNode): string {
  const fallback = node.default === undefined ? '' : code(yaml(node.default))
  const examples = (node.examples ?? []).map((value) => ` For example: ${code(yaml(value))}`)
  const meaning = `${sentence(node.description ?? '')}${examples.join('')}`
  const cells = [code(name), names, isSection(node) ? 'a section' : expected(node), fallback, meaning]
  return `| ${cells.join(' | ')} |`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`
}

function code(text: string): string {
  return `\`${text}\``
}

function yaml(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim()
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.pop()
    const longer = last === undefined ? word : `${last} ${word}`
    if (last === undefined || longer.length <= width) lines.push(longer)
    else lines.push(last, word)
  }
  return lines
}

/** `node src/config/reference.ts` says which texts are out of date; with `--write` it writes them. */
function main(write: boolean): void {
  for (const [path, text] of Object.entries(referenceTexts())) {
    const file = fileURLToPath(new URL(`../../${path}`, import.meta.url))
    if (write) writeFileSync(file, text)
    else if (readFileSync(file, 'utf8') !== text) {
      console.error(`${path} is not what src/config/schema.ts says; make it again with --write`)
      process.exitCode = 1
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.includes('--write'))
