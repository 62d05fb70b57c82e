import type { Caller } from '@mdm/core/identity/identify'
import type { Guid } from '@mdm/core/names'
import type { Access, ListedVolume } from './access.ts'
import type { Catalog } from './catalog.ts'

/** Volumes looked at in one go: most of them may be hidden from the caller. */
const PAGE = 1000

/**
 * Volumes that the caller may list, by GUID, each in the newest version that he may list.
 *
 * @param o `limit` volumes at most, from after the GUID `after`
 */
export async function listedPage(
  { catalog, access }: { catalog: Pick<Catalog, 'page'>; access: Pick<Access, 'listed'> },
  caller: Caller,
  o: { after?: Guid | undefined; limit: number },
): Promise<ListedVolume[]> {
  const listed: ListedVolume[] = []
  for (let { after } = o; ;) {
    const page = await catalog.page(after, PAGE)
    for (const volume of page) {
      if (listed.length === o.limit) return listed
      const version = await access.listed(caller, volume)
      if (version !== undefined) listed.push({ guid: volume.guid, version })
    }
    if (page.length < PAGE) return listed
    after = page.at(-1)!.guid
  }
}
