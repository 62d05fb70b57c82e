import { MdmError } from '../errors.ts'
import type { Guid } from '../names.ts'
import {
  postRegister,
  RegisterEvent,
  type RefusedVolume,
  type RegisteredSet,
  type RegisteredVolume,
  type RegisterCounts,
  type RegisterQuestion,
  type SeriesHandle,
} from '../wire/register.ts'
import type { Session } from './session.ts'

/** What a registration came to, gathered from its events. */
export interface RegisterReport {
  registered: RegisteredVolume[]
  sets: RegisteredSet[]
  already: { guid: Guid }[]
  returned: { guid: Guid }[]
  gone: { guid: Guid }[]
  refused: RefusedVolume[]
  failed: { series?: SeriesHandle | undefined; code: string }[]
}

/** An event of a registration; the last but for errors has the whole of it. */
export type FollowedEvent =
  Exclude<RegisterEvent, { type: 'done' }> | { type: 'done'; counts: RegisterCounts; report: RegisterReport }

/** Asks the site to register what its sources hold; yields its events, the last one being `done` or `error`. @throws MDM_DENIED */
export async function* register(
  session: Session,
  { signal, ...body }: RegisterQuestion & { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<FollowedEvent> {
  const reply = await session.site.stream(postRegister, { body }, { signal })
  const report = emptyReport()
  let rest = ''
  for await (const chunk of reply.body) {
    const lines = (rest + chunk.toString('utf8')).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield followed(parseEvent(line), report)
  }
  if (rest.trim() !== '') yield followed(parseEvent(rest), report)
}

export function emptyReport(): RegisterReport {
  return { registered: [], sets: [], already: [], returned: [], gone: [], refused: [], failed: [] }
}

function followed(event: RegisterEvent, report: RegisterReport): FollowedEvent {
  if (event.type === 'done') return { ...event, report }
  addEvent(report, event)
  return event
}

/** What waits or was dropped stands in no list: there is nothing of it yet. */
export function addEvent(report: RegisterReport, event: FollowedEvent): void {
  if (event.type === 'registered') report.registered.push(event.volume)
  else if (event.type === 'set') report.sets.push(event.set)
  else if (event.type === 'already' || event.type === 'returned' || event.type === 'gone')
    report[event.type].push({ guid: event.guid })
  else if (event.type === 'refused') report.refused.push(event.refused)
  else if (event.type === 'failed') report.failed.push({ series: event.series, code: event.code })
}

function parseEvent(line: string): RegisterEvent {
  try {
    return RegisterEvent.parse(JSON.parse(line))
  } catch (cause) {
    throw new MdmError('MDM_BAD_REQUEST', 'the site sent a registration event we do not understand', {
      cause,
    })
  }
}
