import { listChanges } from '@mdm/core/wire/changes'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import type { SiteStore } from '../store/site-store.ts'
import type { Access } from './access.ts'
import type { ChangeCursors } from './change-cursor.ts'
import { listedChanges } from './changes.ts'

const DEFAULT_LIMIT = 100

/** What happened to the volumes that the caller may list; where he may list none it looks as if nothing ever did. */
export function changeRoutes(
  app: App,
  o: { readonly db: SiteStore; readonly access: Access; readonly cursors: ChangeCursors },
): void {
  route(app, listChanges, async ({ query, caller, timing }) => {
    const after = query.after === undefined ? 0 : o.cursors.parse(query.after)
    const limit = query.limit ?? DEFAULT_LIMIT
    const from = query.from === undefined ? undefined : new Date(query.from).toISOString()
    const found = await timing.measure('access-control', () =>
      listedChanges(o, caller, { after, from, limit }),
    )
    const shown = found.slice(0, limit)
    return {
      rows: shown.map(({ seq, ...row }) => ({ ...row, cursor: o.cursors.format(seq) })),
      // Of the last row that he sees: what lies behind it and is hidden moves nothing.
      cursor: o.cursors.format(shown.at(-1)?.seq ?? after),
      more: found.length > limit,
    }
  })
}
