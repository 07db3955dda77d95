import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici'
import { isLoopback, requireProxyUrls, systemCas } from '../net/outgoing.ts'
import { Refusal } from '../refusal.ts'

/** An issuer, its keys and its metadata are a few kilobytes. */
const maxAnswerBytes = 256 * 1024

/** For each of the two requests, from the first byte sent to the last received. */
const answerMilliseconds = 5_000

/** Keys are asked for again when they are older than this: a key that was withdrawn is trusted no longer. */
const freshMilliseconds = 10 * 60_000

/** An issuer that cannot be asked does not keep its tokens out before its keys are older than this. */
const usableMilliseconds = 4 * 3_600_000

/** Between one question to an issuer and the next, whatever tokens come: anybody can name a key that is not there. */
const coolDownMilliseconds = 30_000

export interface IssuerKeys {
  /** Finds the key that a header names, among those of the issuer alone. */
  keyFor: JWTVerifyGetKey
  close(): Promise<void>
}

/**
 * The keys of an issuer, asked for when a token needs them: at the URL that its metadata name (OpenID Connect Discovery 1.0,
 * section 4), or at `jwksUri`. What a token says of places for keys is not looked at; redirects are not followed.
 * @returns keys, of which `keyFor` throws Refusal issuer-unreachable, errors of jose
 * @throws Refusal configuration
 */
export function issuerKeys(
  { issuer, jwksUri, ca }: { issuer: string; jwksUri?: string; ca: readonly string[] },
  clock: () => number,
): IssuerKeys {
  const dispatcher = dispatcherTo(jwksUri ?? issuer, [...systemCas(), ...ca])
  let keys: { find: JWTVerifyGetKey; time: number } | null = null
  let asked = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | null = null
  /** Of the last question. */
  let failure: unknown

  const ask = async () => {
    asked = clock()
    try {
      const set = await read(jwksUri ?? (await discover(issuer, dispatcher)), dispatcher)
      keys = { find: createLocalJWKSet(set as unknown as JSONWebKeySet), time: clock() }
      failure = undefined
    } catch (cause) {
      failure = cause
    } finally {
      asking = null
    }
  }

  /** Asks, where the last question is long enough ago; waits for one that is under way. */
  const refresh = async () => {
    if (!asking && clock() - asked >= coolDownMilliseconds) asking = ask()
    await asking
  }

  const unreachable = () => {
    const retrySeconds = Math.max(1, Math.ceil((asked + coolDownMilliseconds - clock()) / 1000))
    const detail = `The keys of ${issuer} cannot be had at the moment`
    return new Refusal('issuer-unreachable', detail, { cause: failure, retrySeconds })
  }

  return {
    async keyFor(header, token) {
      if (!keys || clock() - keys.time >= freshMilliseconds) await refresh()
      if (!keys || clock() - keys.time >= usableMilliseconds) throw unreachable()
      const { find } = keys
      try {
        return await find(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      }
      await refresh()
      // The key may be a new one, of which nothing is known as long as the issuer does not answer.
      if (failure !== undefined) throw unreachable()
      return keys.find(header, token)
    },
    close: () => dispatcher.destroy(),
  }
}

/** Where an issuer says that its keys are: at its own origin, so that its metadata lead nowhere else. */
async function discover(issuer: string, dispatcher: Dispatcher): Promise<string> {
  const place = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { issuer: named, jwks_uri: uri } = await read(place, dispatcher)
  if (named !== issuer) throw new Error(`${place} is of another issuer`)
  if (typeof uri !== 'string' || !URL.canParse(uri)) throw new Error(`${place} names no jwks_uri`)
  if (new URL(uri).origin !== new URL(issuer).origin)
    throw new Error(`${place} names keys at another origin: set jwksUri if they are to be used`)
  return uri
}

async function read(url: string, dispatcher: Dispatcher): Promise<Record<string, unknown>> {
  const { statusCode, body } = await request(url, {
    dispatcher,
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(answerMilliseconds),
  })
  if (statusCode !== 200) {
    await body.dump()
    throw new Error(`${url} answers ${statusCode}`)
  }
  const value: unknown = await body.json()
  if (typeof value !== 'object' || value === null) throw new Error(`${url} has no JSON object`)
  return value as Record<string, unknown>
}

function dispatcherTo(url: string, ca: string[]): Dispatcher {
  const options = { maxResponseSize: maxAnswerBytes, connections: 2 }
  const tls = { ca, minVersion: 'TLSv1.2' as const, timeout: answerMilliseconds }
  if (isLoopback(url)) return new Agent({ ...options, connect: tls })
  requireProxyUrls(process.env)
  return new EnvHttpProxyAgent({ ...options, connect: tls, requestTls: tls })
}
