import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { test } from 'node:test'
import { serverClient } from '../../src/cli/server-client.ts'
import {
  generateKey,
  issueCaCertificate,
  issueServerCertificate,
  newCaSubject,
} from '../../src/tls/certificates.ts'
import { answering } from './answering.ts'

const fine: RequestListener = (_request, response) => response.end('{}')

const day = 24 * 60 * 60 * 1000
const here = [{ type: 'ip', value: '127.0.0.1' }] as const

async function newCa() {
  const key = await generateKey()
  const names = [...here, { type: 'dns', value: 'sigs.example.com' } as const]
  const certificate = await issueCaCertificate({
    subject: newCaSubject(),
    key,
    names,
    now: new Date(Date.now() - 400 * day),
  })
  return { key, certificate, pem: certificate.toString('pem') }
}

const ca = await newCa()

async function serverFor(names: readonly { type: 'dns' | 'ip'; value: string }[], now = new Date()) {
  const key = await generateKey()
  const certificate = await issueServerCertificate({ ca, key, names: [...names], now })
  const tls = {
    cert: certificate.toString('pem'),
    key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
  return (await answering(fine, { tls })).url
}

const ask = (url: string, pem: string | null) => {
  const access = { url, token: null, ca: pem === null ? null : { file: 'given/ca.crt', pem }, env: {} }
  return serverClient(access, { wait: async () => {} })({ method: 'GET', path: '/' })
}

test('a server is trusted by the CA that was given', async () => {
  assert.deepEqual(await ask(await serverFor(here), ca.pem), { document: {}, status: 200 })
})

test('without a CA, a private one is refused, and the message says how to name it', async () => {
  await assert.rejects(
    ask(await serverFor(here), null),
    /not signed by a CA that is trusted here: name the CA with --ca/,
  )
})

test('a CA that was given is the only one', async () => {
  await assert.rejects(
    ask(await serverFor(here), (await newCa()).pem),
    /is not signed by the CA in given\/ca\.crt$/,
  )
})

test('a certificate for another name is refused', async () => {
  const url = await serverFor([{ type: 'dns', value: 'sigs.example.com' }])
  await assert.rejects(ask(url, ca.pem), /is not for 127\.0\.0\.1/)
})

test('an expired certificate is refused', async () => {
  const url = await serverFor(here, new Date(Date.now() - 200 * day))
  await assert.rejects(ask(url, ca.pem), /is not valid at this time/)
})

test('https to a server of plain http, and the other way round, are told apart', async () => {
  const { port } = await answering(fine)
  await assert.rejects(
    ask(`https://127.0.0.1:${port}`, ca.pem),
    /does not speak TLS as it should: is it an http:\/\/ server\?/,
  )
  const secure = new URL(await serverFor(here))
  await assert.rejects(ask(`http://127.0.0.1:${secure.port}`, null), /does it expect https\?/)
})
