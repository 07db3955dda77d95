import type { RequestListener } from 'node:http'
import {
  generateKey,
  issueCaCertificate,
  issueServerCertificate,
  newCaSubject,
} from '../../src/tls/certificates.ts'
import { answering } from '../cli/answering.ts'

const here = [{ type: 'ip', value: '127.0.0.1' }] as const
const now = new Date()
const key = await generateKey()
const certificate = await issueCaCertificate({ subject: newCaSubject(), key, names: [...here], now })
const serverKey = await generateKey()
const serverCertificate = await issueServerCertificate({
  ca: { key, certificate },
  key: serverKey,
  names: [...here],
  now,
})

/** The CA of all servers here. */
export const ca = certificate.toString('pem')

export const tls = {
  cert: serverCertificate.toString('pem'),
  key: serverKey.export({ type: 'pkcs8', format: 'pem' }) as string,
}

export interface HttpsServer {
  /** `127.0.0.1:8443`. */
  host: string
  url: string
  /** What it was asked, as `GET /v2/`, with the Authorization it got. */
  asked: { what: string; authorization: string | undefined }[]
}

/** A server of another origin than all others. */
export async function httpsServer(listener: RequestListener): Promise<HttpsServer> {
  const asked: HttpsServer['asked'] = []
  const { url } = await answering(
    (request, response) => {
      const { authorization } = request.headers
      asked.push({ what: `${request.method} ${request.url}`, authorization })
      listener(request, response)
    },
    { tls },
  )
  return { host: new URL(url).host, url, asked }
}
