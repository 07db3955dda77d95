import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { eventually } from '../eventually.ts'
import { ask, testServer } from '../server.ts'
import { claimOf, exampleDigest, exampleReference, newBlob } from '../signing.ts'
import { newGnupg, type SigningKey } from './gnupg.ts'
import { signedBy } from './machine.ts'
import { workFolder } from './program.ts'

/** Debian's; as root it has no sandbox to start. */
const browser: Browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
})
after(() => browser.close())

const folder = workFolder()
/** Where somebody who wants to look at them finds them. */
const screenshots = process.env.SCREENSHOTS ?? join(folder, 'screenshots')
mkdirSync(screenshots, { recursive: true })
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const gnupg = newGnupg(folder)
const vendor = await gnupg.newKey('vendor', 'ed25519')
const security = await gnupg.newKey('security', 'ed25519')
const image = `${exampleReference}@${exampleDigest()}`

const policyOf = (name: string, ...keys: SigningKey[]) => {
  const file = join(folder, `${name}.json`)
  writeFileSync(file, JSON.stringify({ default: keys.map(signedBy) }))
  return { policy: file, thresholds: [], maxAge: null, index: 'ignored' as const }
}
const mirrorPolicy = join(folder, 'open.json')
writeFileSync(mirrorPolicy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
const server = await testServer({
  gates: { production: policyOf('production', vendor, security), staging: policyOf('staging', vendor) },
  // Nothing listens there.
  mirrors: [
    {
      from: 'http://127.0.0.1:1/signatures',
      prefix: 'vendor' as never,
      policy: mirrorPolicy,
      everySeconds: 60,
    },
  ],
})
const token = await server.token('push:**', 'withdraw:**')
const push = async (body: Uint8Array): Promise<number> => {
  const answer = await ask(server, 'POST', '/api/v1/signatures', { body, token })
  assert.equal(answer.status, 201, answer.body.toString())
  return answer.json().id
}

const hostile = `</code><script>document.title='owned'</script>\u202e"><img src=x onerror=alert(1)>`
const signed = async (key: SigningKey, claim: string) => {
  const file = join(folder, `claim-${Math.random()}`)
  writeFileSync(file, claim)
  await gnupg.sign(key, file, `${file}.gpg`)
  return readFileSync(`${file}.gpg`)
}
const claim = JSON.parse(claimOf())
claim.optional = { creator: hostile, note: hostile }
const ours = await push(await signed(vendor, JSON.stringify(claim)))
await push(newBlob())
const gone = await push(newBlob({ digest: exampleDigest('b') }))
const withdrawal = `/api/v1/signatures/${gone}?reason=${encodeURIComponent(hostile.replace('\u202e', ''))}`
assert.equal((await ask(server, 'DELETE', withdrawal, { token })).status, 200)
for (const letter of ['c', 'd']) {
  const reference = `registry.example.com/team/web:2.${letter}`
  await push(newBlob({ reference, digest: exampleDigest(letter) }))
}
await eventually(async () => {
  const found = (await ask(server, 'GET', `/api/v1/signatures/${ours}`)).json()
  return found.verdict === 'valid'
})
await eventually(async () => {
  const { mirrors } = (await ask(server, 'GET', '/api/v1/mirrors')).json()
  return mirrors[0]?.state === 'failing'
})

const gateOf = (gate: string) => `/gates/${gate}?image=${encodeURIComponent(image)}`
const pages: Record<string, string> = {
  home: '/',
  'search-tag': `/search?q=${encodeURIComponent(exampleReference)}`,
  'search-signer': '/search?q=vendor',
  'search-nothing': `/search?q=${encodeURIComponent(hostile)}`,
  repositories: '/repositories',
  repository: '/repositories/team/app',
  digest: `/repositories/team/app@${exampleDigest()}`,
  'digest-withdrawn': `/repositories/team/app@${exampleDigest('b')}`,
  everywhere: `/digests/${exampleDigest()}`,
  signers: '/keys',
  key: `/keys/${vendor.fingerprint}`,
  signature: `/signature/${ours}`,
  withdrawn: `/signature/${gone}`,
  activity: '/activity',
  gates: '/gates',
  'gate-before': '/gates/production',
  gate: gateOf('production'),
  'gate-passed': gateOf('staging'),
  'gate-tag': `/gates/production?image=${encodeURIComponent(exampleReference)}`,
  mirrors: '/mirrors',
  client: '/client?registry=registry.example.com',
  'not-found': '/nothing/here',
}

/** A page, and what its console and its requests complained of. */
async function open(
  path: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const faults: string[] = []
  const isExpected = (text: string) => path === pages['not-found'] && text.includes('404')
  page.on('console', (message) => {
    if (message.type() === 'error' && !isExpected(message.text())) faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(server.origin)) faults.push(`asked ${request.url()}`)
  })
  await page.goto(`${server.origin}${path}`)
  return { page, faults }
}

const themes = ['light', 'dark'] as const
const widths = [390, 1440]

/** WCAG 2.2, 1.4.10: nothing is to be scrolled sideways for. */
const narrowest = 320

/** Parts of names that go on in another line. */
const brokenWords = `[...document.querySelectorAll('bdi')].flatMap(({ childNodes }) => [...childNodes])
  .filter((node) => node.nodeType === Node.TEXT_NODE && !/\\s/.test(node.data))
  .filter((node) => {
    const range = document.createRange()
    range.selectNodeContents(node)
    return range.getClientRects().length > 1
  })
  .map((node) => node.data)`

suite('in both themes, on a phone and on a desk', () => {
  for (const [name, path] of Object.entries(pages))
    test(`${name} is accessible, fits, and nothing in it runs`, async () => {
      const { page, faults } = await open(path)
      assert.equal(await page.locator('script, style, [style], img, iframe').count(), 0)
      // From outside the page, so that its policy stays as it is.
      await page.evaluate(axe)
      for (const colorScheme of themes)
        for (const width of widths) {
          await page.setViewportSize({ width, height: 900 })
          await page.emulateMedia({ colorScheme })
          await page.screenshot({
            path: join(screenshots, `${name}-${width}-${colorScheme}.png`),
            fullPage: true,
          })
          assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
          assert.deepEqual(await page.evaluate(brokenWords), [])
          // Each width and each theme once: colours do not depend on the width.
          if ((colorScheme === 'light') !== (width === 390)) continue
          const { violations } = (await page.evaluate('axe.run()')) as { violations: Violation[] }
          assert.deepEqual(violations.map(inShort), [])
        }
      await page.setViewportSize({ width: narrowest, height: 900 })
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), narrowest)
      assert.equal(await page.locator('h1').count(), 1)
      assert.doesNotMatch(await page.title(), /owned/)
      assert.deepEqual(faults, [])
      await page.context().close()
    })
})

interface Violation {
  id: string
  nodes: { html: string; failureSummary?: string }[]
}

const inShort = ({ id, nodes }: Violation) =>
  `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`

test('of an image whose signatures were withdrawn one learns that it passes no gate', async () => {
  const { page } = await open(pages['digest-withdrawn'] ?? '')
  assert.match(await page.locator('main').innerText(), /no gate that asks for a signature lets it pass/)
  await page.context().close()
})

test('who knows nothing finds out who signed an image and what production misses, with the keyboard alone', async () => {
  const { page, faults } = await open('/', { javaScriptEnabled: false })
  await page.keyboard.press('Tab')
  assert.match(await page.locator(':focus').innerText(), /^Skip/)
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await page.keyboard.type(exampleReference)
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/search/)
  const row = page.getByRole('row').filter({ hasText: 'vendor@example.com' })
  await row.getByRole('link').first().click()
  await page.waitForURL(/\/repositories\//)
  const text = await page.locator('main').innerText()
  assert.match(text, /Valid\s+vendor <vendor@example\.com>/)
  assert.match(text, /Does not pass\s+production/)
  assert.match(text, /1 of 2 requirements are met\./)
  assert.doesNotMatch(text, /No signature counts/)
  assert.match(text, /Missing: a signature by\s+security <security@example\.com>/)
  assert.match(text, /Passes\s+staging/)
  assert.deepEqual(faults, [])
  await page.context().close()
})

test('a browser asks for the token where reads are private, and shows what its holder may read', async () => {
  const shut = await testServer({ reads: { cacheSeconds: 0, private: true } })
  await ask(shut, 'POST', '/api/v1/signatures', { body: newBlob(), token: await shut.token('push:**') })
  const password = await shut.token('read:team/*')
  const context = await browser.newContext({ httpCredentials: { username: 'me', password } })
  const page = await context.newPage()
  await page.goto(`${shut.origin}/repositories/team/app`)
  assert.equal(await page.locator('h1').innerText(), 'team/app')
  await page.goto(`${shut.origin}/activity`)
  assert.equal(await page.locator('h1').innerText(), 'Forbidden')
  await context.close()
})
