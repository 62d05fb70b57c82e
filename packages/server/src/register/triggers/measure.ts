import type { Registry } from '../../http/metrics/registry.ts'
import type { Notices } from './notices.ts'
import type { TriggeredSource, Triggers } from './triggers.ts'

/** What the operator sees of live registration, of all sources together: no name is in a measurement. */
export function measureTriggers(
  registry: Registry,
  o: {
    readonly notices: Notices
    readonly triggers: Triggers
    readonly sources: readonly TriggeredSource[]
    readonly now: () => Date
  },
): void {
  registry.gauge('mdm_notices', 'Series that were noticed and are not registered yet.', {
    read: () => o.sources.reduce((sum, { source }) => sum + o.notices.count(source.name), 0),
  })
  registry.gauge(
    'mdm_notice_overdue_seconds',
    'How long the most overdue series has been due after its quiet period.',
    {
      read: () => {
        let overdueMs = 0
        for (const { source, quietMs } of o.sources)
          for (const { touchedAt } of o.notices.of(source.name))
            overdueMs = Math.max(overdueMs, performance.now() - touchedAt - quietMs)
        return overdueMs / 1000
      },
    },
  )
  const ways = ['poll', 'changes'] as const
  registry.gauge(
    'mdm_source_look_age_seconds',
    'Time since a look ended well, of the source that is behind most.',
    {
      allowed: { by: ways },
      read: () =>
        ways.flatMap((by) => {
          const ages = o.triggers
            .looked()
            .filter((look) => look.by === by)
            .map(({ at }) => (o.now().getTime() - at.getTime()) / 1000)
          return ages.length === 0 ? [] : [[{ by }, Math.max(...ages)] as const]
        }),
    },
  )
}
