import type { ServerAccess } from './server-options.ts'

const untrusted = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]

/** A sentence that helps a person act, for what keeps a request from being answered. */
export function explainFailure(error: unknown, access: Pick<ServerAccess, 'url' | 'ca'>): Error {
  return new Error(sentence(error as NodeJS.ErrnoException, access), { cause: error })
}

function sentence(error: NodeJS.ErrnoException, { url, ca }: Pick<ServerAccess, 'url' | 'ca'>): string {
  const { code = '' } = error
  const { hostname, protocol } = new URL(url)
  if (untrusted.includes(code)) {
    return ca
      ? `The certificate of ${url} is not signed by the CA in ${ca.file}`
      : `The certificate of ${url} is not signed by a CA that is trusted here: name the CA with --ca or LOOKASIDE_CA ` +
          '(a server makes its own at tls/ca.crt in its data folder)'
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `The certificate of ${url} is not for ${hostname}: a server that makes its own takes names from tls.names`
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return `The certificate of ${url} is not valid at this time: it has expired, or a clock is wrong`
  }
  if (code === 'EPROTO') return `${url} does not speak TLS as it should: is it an http:// server?`
  if (code === 'ECONNREFUSED') return `Nothing listens at ${url}: is the server running?`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `The name ${hostname} cannot be resolved`
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    const hint = protocol === 'http:' ? ' (does it expect https?)' : ''
    return `${url} closed the connection without an answer${hint}`
  }
  if (error.name === 'TimeoutError') return `${url} did not answer in time`
  return `The request to ${url} failed: ${error.message || code}`
}
