import { type Metric, Registry } from 'prom-client'
import { Type } from 'typebox'
import { type Readers, requireRead } from '../authenticate.ts'
import type { Processes } from '../processes.ts'
import type { App } from '../server.ts'
import { type DataFolderMetricsOptions, dataFolderMetrics } from './data-folder.ts'
import { type MirrorMetricsOptions, mirrorMetrics } from './mirrors.ts'
import { type ProcessMetricsOptions, processMetrics } from './process.ts'

export type MetricsOptions = DataFolderMetricsOptions &
  MirrorMetricsOptions &
  ProcessMetricsOptions & { processes: Processes; readers: Readers }

type Family = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number]

const question = 'metrics'

const prometheusText = {
  description: 'The text format',
  content: { 'text/plain': { schema: Type.String() } },
}

/**
 * What is measured, in the text format of Prometheus. What each process counts has the label `worker`: one that starts
 * anew begins at zero, which Prometheus takes into account only where it sees each by itself.
 */
export function metricRoutes(app: App, options: MetricsOptions): void {
  const { processes } = options
  const own = processMetrics(app, options)
  const shared = [dataFolderMetrics(options), mirrorMetrics(options)]
  processes.answer(question, () => own.getMetricsAsJSON())

  const measure = async (): Promise<string> => {
    const [answers, ...families] = await Promise.all([
      processes.ask(question),
      ...shared.map((registry) => registry.getMetricsAsJSON()),
    ])
    const ofWorkers = answers.map(({ worker, answer }) =>
      labelled((answer ?? []) as Family[], String(worker)),
    )
    return textOf([upOf(answers), ...families.flat(), ...ofWorkers.flat()])
  }

  let underWay: Promise<string> | null = null
  app.get(
    '/metrics',
    { schema: { summary: 'What is measured, for Prometheus', response: { 200: prometheusText } } },
    async (request, reply) => {
      requireRead(await options.readers(request))
      // However many ask, it is looked up once.
      underWay ??= measure().finally(() => {
        underWay = null
      })
      return reply
        .type(Registry.PROMETHEUS_CONTENT_TYPE)
        .header('Cache-Control', 'no-store')
        .send(await underWay)
    },
  )
}

function upOf(answers: Awaited<ReturnType<Processes['ask']>>): Family {
  return {
    name: 'lookaside_worker_up',
    help: 'Whether a process that serves has answered; those that have not are missing below.',
    type: 'gauge' as unknown as Family['type'],
    aggregator: 'first',
    collect: () => {},
    values: answers.map(({ worker, answer }) => ({
      labels: { worker: String(worker) },
      value: answer === null ? 0 : 1,
    })),
  }
}

function labelled(families: Family[], worker: string): Family[] {
  return families.map((family) => ({
    ...family,
    values: family.values.map((value) => ({ ...value, labels: { worker, ...value.labels } })),
  }))
}

/** Families of the same name become one. */
function textOf(families: Family[]): Promise<string> {
  const byName = new Map<string, Family>()
  for (const family of families) {
    const found = byName.get(family.name)
    if (found) found.values.push(...family.values)
    else byName.set(family.name, { ...family, values: [...family.values] })
  }
  const registry = new Registry()
  for (const family of byName.values())
    registry.registerMetric({ ...family, get: async () => family } as unknown as Metric)
  return registry.metrics()
}
