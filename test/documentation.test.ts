import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('..', import.meta.url))

const pages = ['README.md', 'docs', 'docs/decisions']
  .map((name) => join(project, name))
  .flatMap((path) =>
    statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path],
  )
  .filter((path) => path.endsWith('.md'))

/** Without examples, in which brackets and hashes mean something else. */
function textOf(page: string): string {
  return readFileSync(page, 'utf8').replaceAll(/^ *```.*?^ *```$/gms, '')
}

/** As GitHub makes them of headings: lower case, no punctuation, a dash for each space. */
function anchorsOf(page: string): Set<string> {
  const headings = [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading ?? '')
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

test('every link of the documentation leads to a file of the project, and to a heading in it', () => {
  const broken = pages.flatMap((page) =>
    [...textOf(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)]
      .filter(([, path = '', anchor]) => {
        const target = path === '' ? page : join(dirname(page), path)
        return !existsSync(target) || (anchor !== undefined && !anchorsOf(target).has(anchor))
      })
      .map(([link]) => `${relative(project, page)}: ${link}`),
  )
  assert.deepEqual(broken, [])
})

test('every page of the documentation is found from the README', () => {
  const readme = textOf(join(project, 'README.md'))
  const lost = pages
    .map((page) => relative(project, page))
    .filter((page) => /^docs\/[^/]*$/.test(page) && !readme.includes(`](${page})`))
  assert.deepEqual(lost, [])
})

test('the tests that the threat model names are there', () => {
  const text = textOf(join(project, 'docs/threat-model.md'))
  const folders = readdirSync(join(project, 'test')).join('|')
  const named = [...text.matchAll(new RegExp(`\`((?:${folders})/[a-z/-]+)\``, 'g'))].map(([, name]) => name)
  assert.ok(named.length > 20)
  const isThere = (name: string) =>
    existsSync(join(project, `test/${name}.test.ts`)) || existsSync(join(project, `test/${name}.ts`))
  assert.deepEqual(
    named.filter((name) => !isThere(name as string)),
    [],
  )
})
