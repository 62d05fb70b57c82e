import { auditCaller } from '../audit/audit-caller.ts'
import { nameOf } from '../catalog/routes.ts'
import { getMetadata, postQuery } from '@mdm/core/wire/site'
import type { Audit } from '../audit/audit.ts'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import { answerQuery, type QueryOptions } from './query.ts'
import { volumeMetadata } from './volume-metadata.ts'

/** Level 3 of the paper (4.3): query and metadata, with one durable audit record before the answer. */
export function metadataRoutes(app: App, o: QueryOptions & { audit: Audit }): void {
  route(app, postQuery, async ({ body, caller, requestId, timing }) => {
    const { rows, withheld, compared } = await timing.measure('access-control', () =>
      answerQuery(o, caller, body),
    )
    await o.audit.record({
      event: 'metadata-queried',
      outcome: 'done',
      caller: auditCaller(caller),
      requestId,
      // Names of columns only: a value may be a patient's name.
      facts: { rows: rows.length, compared: compared.join(' ') },
    })
    return { rows, withheld }
  })

  route(app, getMetadata, async ({ params, caller, requestId, timing }) => {
    const name = nameOf(params.name)
    const answer = await timing.measure('access-control', () => volumeMetadata(o, caller, name))
    await o.audit.record({
      event: 'metadata-read',
      outcome: 'done',
      caller: auditCaller(caller),
      guid: answer.guid,
      version: answer.version,
      requestId,
      facts: { tables: Object.keys(answer.tables).join(' ') },
    })
    return answer
  })
}
