import t, { type Test } from 'tap'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { newGuid, type Guid } from '@mdm/core/names'
import { createDigests } from '@mdm/server/deliver/digests'
import { openEntries } from '@mdm/server/srm/entries'
import { deliveryOf, get, ORDERS, scriptedSource, sends, testVolume } from '../deliver/fixture.ts'

const CALLER = { kind: 'user', dn: 'CN=known' } as Caller

/** Entries of one volume that is really prepared; who may do what is another module's and only played here. */
function entriesOf(
  t: Test,
  o: { readable?: boolean; goneSince?: string; hidden?: readonly Guid[]; guids?: Guid[] } = {},
) {
  const volume = testVolume({ slices: 2 })
  const { record } = volume
  const source = scriptedSource(volume, sends(volume, ORDERS.forward(2)))
  const { delivery } = deliveryOf(t, volume, { source })
  const { goneSince } = o
  const entries = openEntries({
    catalog: {
      summary: async (guid) => ({ ...record, guid, ...(goneSince === undefined ? {} : { goneSince }) }),
      page: async (after, limit) =>
        (o.guids ?? [])
          .filter((guid) => after === undefined || guid > after)
          .slice(0, limit)
          .map((guid) => ({ guid, latest: 1, isGone: false })),
    },
    access: {
      resolveName: async (_caller, name) => {
        if ('lfn' in name) throw new MdmError('MDM_USAGE', 'this names a set')
        return { guid: record.guid, version: 1, latest: 1 }
      },
      listed: async (_caller, { guid }) => (o.hidden?.includes(guid) ? undefined : 1),
      holds: async () => o.readable ?? true,
    },
    delivery,
    digests: createDigests(),
  })
  return { entries, volume, delivery, source, record }
}

t.test('a volume is a file whose size is known, and where its container is can be looked at', async (t) => {
  const { entries, volume, delivery, source, record } = entriesOf(t)
  const name = { guid: record.guid }
  t.strictSame(await entries.stat(CALLER, name, { digest: true }), {
    ...{ guid: record.guid, version: 1, path: `/mdm/${record.guid}`, readable: true },
    ...{ bytes: record.containerBytes, created: new Date(0), locality: 'NEARLINE' },
  })
  t.equal(source.attempts, 0, 'the source was not asked')
  const container = await get(delivery, volume)
  t.equal(container.length, record.containerBytes)
  t.match(await entries.stat(CALLER, name), { locality: 'ONLINE', adler32: undefined })
  const digest = await entries.stat(CALLER, { ...name, version: 1 }, { digest: true })
  t.match(digest, { path: `/mdm/${record.guid}@1`, adler32: /^[0-9a-f]{8}$/ })
})

t.test('the checksum is for those who may read the file', async (t) => {
  const { entries, volume, delivery, record } = entriesOf(t, { readable: false })
  await get(delivery, volume)
  const entry = await entries.stat(CALLER, { guid: record.guid }, { digest: true })
  t.match(entry, { readable: false, locality: 'ONLINE', adler32: undefined })
})

t.test('what the source no longer has is unavailable, though its container is still there', async (t) => {
  const { entries, volume, delivery, record } = entriesOf(t, { goneSince: '2026-01-01T00:00:00Z' })
  await get(delivery, volume)
  const entry = await entries.stat(CALLER, { guid: record.guid }, { digest: true })
  t.match(entry, { locality: 'UNAVAILABLE', adler32: undefined })
})

t.test('a set is no file', async (t) => {
  const { entries } = entriesOf(t)
  await t.rejects(entries.stat(CALLER, { lfn: '/demo/memory/MR/000001' as never }), { code: 'MDM_NOT_FOUND' })
})

t.test('a listing goes by GUID, from page to page, and leaves out what is hidden', async (t) => {
  const guids = Array.from({ length: 7 }, newGuid).toSorted()
  const hidden = [guids[0]!, guids[3]!]
  const { entries } = entriesOf(t, { guids, hidden })
  const seen: Guid[] = []
  for (let after: Guid | undefined; ;) {
    const page = await entries.list(CALLER, { after, limit: 2 })
    seen.push(...page.map(({ guid }) => guid))
    if (page.length < 2) break
    after = page.at(-1)!.guid
  }
  t.strictSame(
    seen,
    guids.filter((guid) => !hidden.includes(guid)),
  )
})
