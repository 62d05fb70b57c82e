import type { Caller } from '@mdm/core/identity/identify'
import type { Guid } from '@mdm/core/names'
import { MdmError } from '@mdm/core/errors'
import { getSet, listSets, type SetRow } from '@mdm/core/wire/sets'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import type { Access } from './access.ts'
import type { Catalog } from './catalog.ts'
import { nameOf } from './routes.ts'
import type { SetRecord, Sets } from './sets.ts'

const DEFAULT_LIMIT = 100
/** Sets looked at in one go: most of them may be hidden from the caller. */
const PAGE = 1000

export interface SetRoutes {
  readonly sets: Sets
  readonly catalog: Catalog
  readonly access: Access
}

/** Sets, for callers who may list every member; what is refused and why is decided in set-access.ts. */
export function setRoutes(app: App, o: SetRoutes): void {
  route(app, listSets, async ({ query, caller, timing }) => {
    const limit = query.limit ?? DEFAULT_LIMIT
    const listed = await timing.measure('access-control', () => listPage(o, caller, query.after, limit))
    const rows: SetRow[] = []
    for (const set of listed.slice(0, limit)) rows.push(await rowOf(o, caller, set))
    const last = rows.at(-1)
    return { rows, ...(listed.length > limit && last !== undefined ? { next: last.guid } : {}) }
  })

  route(app, getSet, async ({ params, caller, timing }) => {
    const name = nameOf(params.name)
    if (!('guid' in name)) throw new MdmError('MDM_BAD_REQUEST', 'a set is named by GUID or GUID@VERSION')
    const set = await timing.measure('access-control', () => o.access.sets.resolve(caller, name))
    return { ...(await rowOf(o, caller, set)), members: [...set.members] }
  })
}

/** One set more than asked for, where there is one, so that the end is known. */
async function listPage(
  o: SetRoutes,
  caller: Caller,
  from: Guid | undefined,
  limit: number,
): Promise<SetRecord[]> {
  const listed: SetRecord[] = []
  for (let after = from; ;) {
    const page = await o.sets.page(after, PAGE)
    for (const guid of page) {
      const set = await o.access.sets.listed(caller, guid)
      if (set !== undefined) listed.push(set)
      if (listed.length > limit) return listed
    }
    if (page.length < PAGE) return listed
    after = page.at(-1)
  }
}

/** Values along the axis, shape and modality are metadata: they have their own rights, here on every member. */
async function rowOf(o: SetRoutes, caller: Caller, set: SetRecord): Promise<SetRow> {
  const { guid, version, latest, axis, members, realValues, registered, goneSince } = set
  const [first] = members
  const summary = first && (await o.catalog.summary(first.guid, first.version))
  if (summary === undefined) throw new MdmError('MDM_NOT_FOUND')
  const { columns, rows, slices, modality } = summary.volume
  const seesShape = await o.access.sets.holdsAll(caller, set, 'metadata:image', 'basic')
  const seesModality = await o.access.sets.holdsAll(caller, set, 'metadata:medical', 'basic')
  return {
    ...{ guid, version, latest, axis: axis.name, volumes: members.length, registered },
    ...(seesShape ? { values: [...axis.values], shape: [columns, rows, slices], realValues } : {}),
    ...(seesShape && axis.unit !== undefined ? { unit: axis.unit } : {}),
    ...(seesModality ? { modality } : {}),
    ...(goneSince === undefined ? {} : { goneSince }),
  }
}
