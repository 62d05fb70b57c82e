import { z } from 'zod'
import type { Audit, AuditEvent } from './audit/audit.ts'
import { AUDIT_EVENTS, countRecords } from './audit/count-records.ts'
import { operations, readConfig } from './config.ts'
import type { Health } from './http/health.ts'
import type { LocalListener } from './http/listen-locally.ts'
import { serveLocally } from './http/local-listener.ts'
import type { LeveledLog } from './http/log.ts'
import { measureProcess } from './http/metrics/process.ts'
import { createRegistry, type Registry } from './http/metrics/registry.ts'
import { measureRequests, type RequestMetrics } from './http/metrics/requests.ts'
import type { Serving } from './http/serve.ts'

/** A server of either kind, as the command that runs it sees it. */
export interface Running extends Serving {
  /** http://host:port of the operator's listener, where there is one */
  readonly metricsUrl?: string
  /** where a site's C-STORE listener is, and its listener for web hooks, where it has them */
  readonly dicomPort?: number
  readonly hooksUrl?: string
  /** https://host:port of a site's listener for grid clients, where it has one */
  readonly srmUrl?: string
  /** Reads the log level of the configuration again; a configuration that is wrong changes nothing. */
  reload(): Promise<void>
}

/** What is measured of a server of either kind, and the operator's listener for it. */
export interface Operations {
  readonly registry: Registry
  readonly requests: RequestMetrics
  /** The same log, counted. */
  observe(audit: Audit): Audit
  /** Opens the operator's listener, if the configuration has one. @throws MDM_CONFIG */
  listen(health: () => Promise<Health>): Promise<LocalListener | undefined>
}

type Config = z.output<z.ZodObject<typeof operations>>

export function createOperations(config: Config): Operations {
  const registry = createRegistry()
  const requests = measureRequests(registry)
  const events = registry.counter('mdm_audit_events_total', 'Events asked to be written to the audit log.', {
    event: AUDIT_EVENTS,
    outcome: ['done', 'refused', 'failed'],
    written: ['true', 'false'],
  })
  const recorded = ({ event, outcome }: AuditEvent, written: boolean) =>
    events.add({ event, outcome, written: String(written) })
  return {
    registry,
    requests,
    observe(audit) {
      registry.gauge('mdm_audit_writable', '1 when the audit log can be written.', {
        read: () => Number(audit.writable),
      })
      registry.gauge('mdm_audit_records', 'Records in the audit log.', { read: () => audit.records })
      return countRecords(audit, recorded)
    },
    async listen(health) {
      if (config.metrics === undefined) return undefined
      registry.gauge('mdm_ready', '1 when /health says ready.', {
        read: async () => Number((await health()).status === 'ready'),
      })
      const measuring = measureProcess(registry)
      const { host, port } = config.metrics
      const listener = await serveLocally({ host, port, metrics: () => registry.text(), health })
      return {
        url: listener.url,
        async stop() {
          measuring.stop()
          await listener.stop()
        },
      }
    },
  }
}

/** Takes the log level that the configuration has now. */
export function reloadLevel(file: string, log: LeveledLog): () => Promise<void> {
  return async () => {
    try {
      const { config } = await readConfig(file, z.object({ log: operations.log }))
      log.level = config.log
      log.warn({ event: 'log-level-read' })
    } catch {
      log.error({ event: 'reload-failed', code: 'MDM_CONFIG' })
    }
  }
}
