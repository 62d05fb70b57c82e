import type { Registry } from '../../http/metrics/registry.ts'
import type { Notices } from './notices.ts'
import type { TriggeredSource, Triggers } from './triggers.ts'

/** What the operator sees of live registration; sources by the names of the configuration, nothing of any series. */
export function measureTriggers(
  registry: Registry,
  o: {
    readonly notices: Notices
    readonly triggers: Triggers
    readonly sources: readonly TriggeredSource[]
    readonly now: () => Date
  },
): void {
  const source = o.sources.map((of) => of.source.name)
  registry.gauge('mdm_notices', 'Series that were noticed and are not registered yet.', {
    allowed: { source },
    read: () => source.map((name) => [{ source: name }, o.notices.count(name)] as const),
  })
  registry.gauge(
    'mdm_notice_overdue_seconds',
    'How long the most overdue series has been due after its quiet period.',
    {
      allowed: { source },
      read: () =>
        o.sources.map((of) => {
          const name = of.source.name
          let overdue = 0
          for (const { touchedAt } of o.notices.of(name))
            overdue = Math.max(overdue, performance.now() - touchedAt - of.quietMs)
          return [{ source: name }, overdue / 1000] as const
        }),
    },
  )
  registry.gauge('mdm_source_look_age_seconds', 'Time since a look at the source last ended well.', {
    allowed: { source, by: ['poll', 'changes'] },
    read: () =>
      o.triggers
        .looked()
        .map(({ source, by, at }) => [{ source, by }, (o.now().getTime() - at.getTime()) / 1000] as const),
  })
}
