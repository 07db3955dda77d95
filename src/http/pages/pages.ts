import type { FastifyReply } from 'fastify'
import type { App } from '../server.ts'
import { activity } from './activity.ts'
import { client } from './client.ts'
import { gate, gates } from './gates.ts'
import { home } from './home.ts'
import { layOut, type Page } from './layout.ts'
import { type Links, linksFrom } from './links.ts'
import { everywhere, keyPage } from './listings.ts'
import { mirrors } from './mirrors.ts'
import { repositories, repository } from './repositories.ts'
import { search } from './search.ts'
import { signature } from './signature.ts'
import { signers } from './signers.ts'
import type { SiteOptions, View } from './site.ts'

const views: Record<string, View> = {
  '/': home,
  '/search': search,
  '/repositories': repositories,
  '/repositories/*': repository,
  '/digests/:digest': everywhere,
  '/keys': signers,
  '/keys/:key': keyPage,
  '/signature/:id': signature,
  '/activity': activity,
  '/gates': gates,
  '/gates/:name': gate,
  '/mirrors': mirrors,
  '/client': client,
}

/** Nothing is loaded but the style and the icon of this server; nothing runs; forms lead nowhere else. */
export const pageHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
}

/** Pages for people: read-only, whole without scripts, and with no sign-in but what reads need anyway. */
export function pageRoutes(app: App, options: SiteOptions): void {
  for (const [url, view] of Object.entries(views))
    app.get(url, async (request, reply) => {
      const site = { ...options, to: linksOf(options.origin()) }
      const reader = await options.readers(request)
      const page = await view(site, request, reader)
      reply.header('Cache-Control', 'no-store')
      if ('location' in page) return reply.redirect(page.location, 303)
      return sendPage(reply, page, site.to)
    })
}

export function sendPage(reply: FastifyReply, page: Page, to: Links): FastifyReply {
  return reply
    .headers(pageHeaders)
    .type('text/html; charset=utf-8')
    .send(String(layOut(page, to)))
}

/** A server may be mounted below a path of its public URL. */
export function linksOf(origin: string): Links {
  return linksFrom(URL.canParse(origin) ? new URL(origin).pathname.replace(/\/$/, '') : '')
}
