import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../eventually.ts'
import { newBlob } from '../signing.ts'
import { skopeoCopy, startFront } from './front.ts'
import { newGnupg } from './gnupg.ts'
import { writeImage } from './image.ts'
import { startLookaside } from './lookaside.ts'
import { newMachine } from './machine.ts'
import { run, succeed, workFolder } from './program.ts'
import { startRegistry } from './registry.ts'
import { accepted, refused } from './site.ts'

const folder = workFolder()
const file = (name: string) => join(folder, name)
const newKey = (name: string) => {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc']
  return [...key, '-keyout', file(`${name}.key`)]
}

async function newCa(name: string): Promise<void> {
  const args = ['-x509', ...newKey(name), '-subj', `/CN=${name}`, '-days', '2', '-out', file(`${name}.crt`)]
  await succeed('openssl', ['req', ...args])
}

async function issue(name: string, ca: string, subject: string): Promise<void> {
  await succeed('openssl', ['req', '-new', ...newKey(name), '-subj', subject, '-out', file(`${name}.csr`)])
  writeFileSync(file('client.ext'), 'extendedKeyUsage=clientAuth\n')
  const signing = [
    '-CA',
    file(`${ca}.crt`),
    '-CAkey',
    file(`${ca}.key`),
    '-days',
    '2',
    '-extfile',
    file('client.ext'),
  ]
  await succeed('openssl', [
    'x509',
    '-req',
    '-in',
    file(`${name}.csr`),
    ...signing,
    '-out',
    file(`${name}.crt`),
  ])
}

test('curl uploads with a certificate whose subject is written as openssl prints it', async () => {
  await Promise.all([newCa('clients'), newCa('next')])
  await issue('signer', 'clients', '/C=DE/O=Example, Inc./OU=a+CN=signer \\+ co')
  await issue('successor', 'next', '/C=DE/O=Example, Inc./OU=a+CN=signer \\+ co')
  writeFileSync(file('trusted.crt'), readFileSync(file('clients.crt')))
  const print = ['x509', '-in', file('signer.crt'), '-noout', '-subject', '-nameopt', 'RFC2253,-esc_msb']
  const subject = (await succeed('openssl', print)).trim().replace(/^subject=/, '')
  const server = await startLookaside(folder, {
    tls: { clientCa: file('trusted.crt') },
    clients: [{ subject, allow: ['push:team/app'] }],
  })
  writeFileSync(file('blob'), newBlob())
  const upload = async (...options: string[]) => {
    const sending = ['--data-binary', `@${file('blob')}`, `${server.url}/api/v1/signatures`]
    const { stdout } = await run('curl', [
      '-s',
      '--cacert',
      server.ca,
      '-w',
      '\n%{http_code}',
      ...options,
      ...sending,
    ])
    return Number(stdout.trim().split('\n').at(-1))
  }
  const certified = (name: string) => ['--cert', file(`${name}.crt`), '--key', file(`${name}.key`)]
  assert.equal(await upload(), 401)
  assert.equal(await upload(...certified('signer')), 201)
  assert.equal(await upload(...certified('successor')), 401)
  // Each of the two processes may see the file at another moment.
  const host = new URL(server.url).host
  const connect = ['s_client', '-connect', host, '-CAfile', server.ca, '-tls1_2']
  const shown = ['-cert', file('signer.crt'), '-key', file('signer.key'), '-sess_out', file('session')]
  await succeed('openssl', [...connect, ...shown], { input: '' })
  const resumed = async () =>
    (await succeed('openssl', [...connect, '-sess_in', file('session')], { input: '' })).includes(
      '\nReused, ',
    )
  for (let connections = 0; connections < 4; connections++) assert.ok(await resumed())
  writeFileSync(file('trusted.crt'), readFileSync(file('next.crt')))
  const follows = async () =>
    (await upload(...certified('successor'))) === 200 &&
    (await upload(...certified('signer'))) === 401 &&
    !(await resumed())
  let inARow = 0
  await eventually(async () => {
    inARow = (await follows()) ? inARow + 1 : 0
    return inARow === 6
  })
})

test('skopeo signs through a registry with the certificate in certs.d, and no password', async () => {
  await newCa('machines')
  await issue('machine', 'machines', '/CN=machine')
  const place = workFolder()
  const front = await startFront(
    place,
    await startRegistry(place),
    {},
    {
      tls: { clientCa: file('machines.crt') },
      clients: [{ subject: 'CN=machine', allow: ['push:team/app'] }],
    },
  )
  const gnupg = newGnupg(place)
  const key = await gnupg.newKey('alice', 'ed25519')
  const machine = newMachine(place, front, gnupg.env)
  const image = writeImage(join(place, 'image'), 'an image\n')
  const push = (repository: string) =>
    skopeoCopy()(machine, { image, reference: `${front.host}/${repository}:1.0`, key })
  refused(await push('team/app'), /unauthorized|authentication required/i)
  const certsD = join(machine.containers, 'certs.d', front.host)
  cpSync(file('machine.crt'), join(certsD, 'client.cert'))
  cpSync(file('machine.key'), join(certsD, 'client.key'))
  accepted(await push('team/app'))
  assert.equal((await front.signatures('team/app')).length, 1)
  await eventually(async () => /^certificate:[0-9A-F]+ CN=machine$/.test(String(front.actors().at(-1))))
  refused(await push('team/other'), /no right push:team\/other|denied/i)
})
