import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { maxManifestBytes } from '../../src/claim/manifest.ts'
import { answering } from '../cli/answering.ts'
import { amd, challenge, find, withPassword } from './asking.ts'
import { type HttpsServer, httpsServer } from './https-server.ts'
import { digestOf } from './layout.ts'
import { refusal } from './refusals.ts'

test('credentials do not follow a redirect to another origin, nor come back from it', async () => {
  const elsewhere = await httpsServer((request, response) =>
    request.url === '/back'
      ? response.writeHead(302, { location: `${registry.url}/end` }).end()
      : response.end(amd),
  )
  let target = `${elsewhere.url}/blob`
  const registry: HttpsServer = await httpsServer((request, response) => {
    if (request.url === '/end') return response.end(amd)
    return withPassword((request, response) =>
      request.url === '/v2/' ? response.end() : response.writeHead(307, { location: target }).end(),
    )(request, response)
  })
  // Even one that the user has credentials for.
  const keys = [registry.host, elsewhere.host]
  assert.equal((await find(registry, { keys })).digest, digestOf(amd))
  assert.deepEqual(elsewhere.asked, [{ what: 'GET /blob', authorization: undefined }])
  target = `${elsewhere.url}/back`
  await find(registry, { keys })
  assert.deepEqual(registry.asked.at(-1), { what: 'GET /end', authorization: undefined })
})

test('whoever the first question is redirected to learns nothing of the user', async () => {
  const collector = await httpsServer((_request, response) => response.end('{"token":"t0ken"}'))
  const elsewhere = await httpsServer((_request, response) =>
    challenge(response, `Bearer realm="${collector.url}/token"`),
  )
  const registry = await httpsServer((request, response) =>
    request.url === '/v2/' ? response.writeHead(302, { location: elsewhere.url }).end() : response.end(amd),
  )
  await find(registry)
  assert.equal(collector.asked.length, 1)
  for (const { what, authorization } of [...collector.asked, ...elsewhere.asked]) {
    assert.equal(authorization, undefined)
    assert.doesNotMatch(what, /puller/)
  }
})

test('whoever the manifest is redirected to cannot ask for the password', async () => {
  const collector = await httpsServer((_request, response) => response.end('{"token":"t0ken"}'))
  for (const asks of [`Bearer realm="${collector.url}/token"`, 'Basic realm="x"']) {
    const elsewhere = await httpsServer((_request, response) => challenge(response, asks))
    const registry = await httpsServer((request, response) =>
      request.url === '/v2/' ? response.end() : response.writeHead(302, { location: elsewhere.url }).end(),
    )
    await assert.rejects(find(registry), refusal('bad-credentials', /does not take/))
    assert.deepEqual(elsewhere.asked, [{ what: 'GET /', authorization: undefined }])
  }
  assert.equal(collector.asked.length, 0)
})

test('nothing goes to what is not https', async () => {
  const clear = await answering((_request, response) => response.end('{"token":"t0ken"}'))
  const at = (location: string) =>
    httpsServer((request, response) =>
      request.url === '/v2/' ? response.end() : response.writeHead(302, { location }).end(),
    )
  for (const location of [`${clear.url}/x`, 'file:///etc/passwd', 'https://user:word@127.0.0.1/', 'https://'])
    await assert.rejects(find(await at(location)), /which is no https address/)
  for (const realm of [`${clear.url}/token`, '/token', 'https://user:word@127.0.0.1/', '']) {
    const registry = await httpsServer((_request, response) =>
      challenge(response, `Bearer realm="${realm}",service="s"`),
    )
    await assert.rejects(find(registry), /which is no https address/)
  }
  await assert.rejects(find({ host: new URL(clear.url).host }), /cannot be asked/)
  assert.ok(clear.connections() <= 1, 'the handshake alone')
})

test('credentials in the body of a request are not redirected', async () => {
  const elsewhere = await httpsServer((_request, response) => response.end('{"token":"t0ken"}'))
  for (const status of [302, 303, 307, 308]) {
    const registry = await httpsServer((request, response) =>
      request.url === '/token'
        ? response.writeHead(status, { location: elsewhere.url }).end()
        : challenge(response, `Bearer realm="https://${request.headers.host}/token"`),
    )
    const entry = { auth: Buffer.from('puller:').toString('base64'), identitytoken: 'identity' }
    await assert.rejects(find(registry, { entry }), /a redirect, which is not followed/)
  }
  assert.equal(elsewhere.asked.length, 0)
})

test('a redirect without end is left after ten', async () => {
  const registry = await httpsServer((request, response) =>
    request.url === '/v2/'
      ? response.end()
      : response.writeHead(301, { location: '/v2/team/app/manifests/1' }).end(),
  )
  await assert.rejects(find(registry), /redirects more than 10 times/)
  assert.equal(registry.asked.length, 12)
})

test('an answer without end is left when it is longer than a manifest may be', async () => {
  const pour = (response: ServerResponse) => {
    const more = () => {
      while (response.write(Buffer.alloc(65_536, ' ')));
      response.once('drain', more)
    }
    more()
  }
  const registry = await httpsServer((request, response) =>
    request.url === '/v2/' ? response.end() : pour(response),
  )
  await assert.rejects(find(registry), new RegExp(`longer than ${maxManifestBytes} bytes`))
  const greeter = await httpsServer((_request, response) => pour(response))
  await assert.rejects(find(greeter), /longer than/)
  const tokens = await httpsServer((request, response) =>
    request.url?.startsWith('/token')
      ? pour(response)
      : challenge(response, `Bearer realm="https://${request.headers.host}/token"`),
  )
  await assert.rejects(find(tokens), /longer than 1048576 bytes/)
})

test('what is no token is refused, and not shown', async () => {
  for (const answer of [
    '',
    'secret',
    '{}',
    'null',
    '{"token":7}',
    '{"token":"se cret"}',
    '{"token":"secret\\r\\nX: y"}',
  ]) {
    const registry = await httpsServer((request, response) =>
      request.url?.startsWith('/token')
        ? response.end(answer)
        : challenge(response, `Bearer realm="https://${request.headers.host}/token"`),
    )
    await assert.rejects(find(registry), (error: Error) => {
      assert.match(error.message, /answered without a token/)
      assert.doesNotMatch(error.message, /cret/)
      return true
    })
  }
})
