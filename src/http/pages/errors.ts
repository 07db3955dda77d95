import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { answerProblem, problemType } from '../problem.ts'
import { searchForm } from './layout.ts'
import { linksOf, sendPage } from './pages.ts'
import { html, said } from './parts.ts'

/** What programs ask for, whatever they accept. */
const forPrograms = /^\/(?:api|signatures|extensions|v2|metrics|healthz|readyz)(?:[/?]|$)/

/** Whether somebody looks at it in a browser: who prefers nothing gets what programs read. */
export function isForPeople({ raw }: FastifyRequest): boolean {
  if (forPrograms.test(raw.url ?? '')) return false
  return new Negotiator(raw).mediaType([problemType, 'text/html']) === 'text/html'
}

/** What went wrong, in the frame of every page. */
export function sendErrorPage(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  origin: string,
): void {
  const { title, detail } = answerProblem(error, request, reply)
  const to = linksOf(origin)
  const body = html`<p>${said(detail)}</p>${searchForm(to)}`
  sendPage(reply, { title, section: null, body }, to)
}
