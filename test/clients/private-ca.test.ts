import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { newMachine } from './machine.ts'
import { atEnd, type Outcome, run, succeed } from './program.ts'
import { accepted, refused, startSite } from './site.ts'

const site = await startSite()
const { folder, registry, server } = site
const { ca, data } = server

/** Trusts that CA and no other. */
function openssl(command: string, ...args: string[]): Promise<Outcome> {
  return run('openssl', [command, '-CAfile', ca, '-no-CApath', '-no-CAstore', ...args])
}

/** Trusts that CA and no other. */
function curl(...args: string[]): Promise<Outcome> {
  return run('curl', ['--silent', '--show-error', '--fail', '--cacert', ca, '--capath', folder, ...args])
}

/** A certificate for these names that was signed with the key of the private CA, and its own key: paths. */
async function issue(name: string, ...names: string[]): Promise<{ cert: string; key: string }> {
  const file = (ending: string) => join(folder, `${name}.${ending}`)
  const cert = file('crt')
  const key = file('key')
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', key]
  await succeed('openssl', ['req', '-new', ...newKey, '-subj', `/CN=${name}`, '-out', file('csr')])
  writeFileSync(file('ext'), `subjectAltName=${names.map((dns) => `DNS:${dns}`).join()}\n`)
  const signing = ['-CA', ca, '-CAkey', join(data, 'tls/ca.key'), '-days', '2', '-extfile', file('ext')]
  await succeed('openssl', ['x509', '-req', '-in', file('csr'), ...signing, '-out', cert])
  return { cert, key }
}

/** A server that shows that certificate; returns its port. */
async function serve({ cert, key }: { cert: string; key: string }): Promise<number> {
  const impostor = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_, response) =>
    response.end(),
  )
  await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve))
  atEnd(async () => impostor.close())
  return (impostor.address() as AddressInfo).port
}

test('who trusts ca.crt alone trusts the server, and who does not, does not', async () => {
  const { host, hostname } = new URL(server.url)
  const connect = ['-connect', host, '-verify_hostname', hostname, '-verify_return_error', '-brief']
  accepted(await openssl('s_client', ...connect))
  accepted(await curl(`${server.url}/healthz`))
  refused(await run('curl', ['--silent', '--show-error', `${server.url}/healthz`]), /certificate/)
})

test('skopeo reads signatures where ca.crt is in certs.d of the registry, and nowhere else', async () => {
  const image = await site.publish('team/app')
  const copy = ['copy', `docker://${image.reference}`]
  const untold = newMachine(folder, registry)
  untold.readFrom(`${server.url}/signatures`)
  refused(
    await untold.skopeo([...copy, `dir:${untold.newFolder()}`]),
    /certificate signed by unknown authority/,
  )
  const told = await site.configuredMachine()
  accepted(await told.skopeo([...copy, `dir:${told.newFolder()}`]))
})

test('a certificate that the CA signs for a name of its own is good', async () => {
  const { cert, key } = await issue('own', 'localhost')
  accepted(await openssl('verify', cert))
  accepted(await curl(`https://localhost:${await serve({ cert, key })}/`))
})

test('a certificate that the CA signs for another name is refused', async () => {
  const { cert, key } = await issue('evil', 'evil.example')
  refused(await openssl('verify', cert), /permitted subtree violation/)
  const port = await serve({ cert, key })
  const resolve = ['--resolve', `evil.example:${port}:127.0.0.1`]
  refused(await curl(...resolve, `https://evil.example:${port}/`), /permitted subtree violation/)
})

test('a certificate that the CA signs for another name beside its own is refused', async () => {
  const { cert, key } = await issue('both', 'localhost', 'evil.example')
  refused(await openssl('verify', cert), /permitted subtree violation/)
  const port = await serve({ cert, key })
  refused(await curl(`https://localhost:${port}/`), /permitted subtree violation/)
  const machine = newMachine(folder, { host: `localhost:${port}`, ca })
  const outcome = await machine.skopeo(['inspect', `docker://localhost:${port}/team/app`])
  refused(outcome, /"evil\.example\\?" is not permitted by any constraint/)
})
