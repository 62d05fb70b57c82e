import t, { type Test } from 'tap'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { small } from '../../volume/generated.ts'
import { openSource, startServer, storedIn } from './server.ts'

const SLICES = 40

/** A server that has 40 slices in this order, and how often a series and single objects are asked for. */
async function world(t: Test, o: { reversed: boolean; nearMs?: number }) {
  const folder = t.testdir()
  const { sops, ...ref } = await writeSeries(folder, { ...small(), slices: SLICES })
  const place = new Map(sops.map((sop, k) => [sop, o.reversed ? -k : k]))
  const stored = storedIn(folder).sort((a, b) => place.get(a.header.sop)! - place.get(b.header.sop)!)
  const server = await startServer(t, stored)
  const { source, budget } = openSource(t, server, { nearMs: o.nearMs ?? 60_000 })
  const retrieve = async (wanted: readonly string[] = sops): Promise<{ came: string[]; asked: number[] }> => {
    const before = server.requests.length
    const came: string[] = []
    for await (const { header } of source.retrieve(ref, wanted)) came.push(header.sop)
    const paths = server.requests.slice(before)
    const single = paths.filter((path) => /instances\/[\d.]+$/.test(path)).length
    t.equal(budget.used, 0)
    return { came, asked: [paths.filter((path) => /series\/[\d.]+$/.test(path)).length, single] }
  }
  return { sops, retrieve, server }
}

t.test(
  'slices come in the order of the volume, also from a server that has them the other way round',
  async (t) => {
    const { sops, retrieve } = await world(t, { reversed: true })
    const first = await retrieve()
    t.same(first.came, [sops.at(-1), ...sops.slice(0, -1)], 'the first object told the order of the reply')
    t.same(first.asked, [1, SLICES - 1])
    const second = await retrieve()
    t.same(second.came, sops, 'which is remembered')
    t.same(second.asked, [0, SLICES])
  },
)

t.test('one reply is enough where it is in order, short, or the server is far away', async (t) => {
  const ordered = await world(t, { reversed: false })
  for (const _ of [1, 2]) t.same(await ordered.retrieve(), { came: ordered.sops, asked: [1, 0] })
  const short = await world(t, { reversed: true })
  const wanted = short.sops.slice(0, 30)
  t.same(await short.retrieve(wanted), { came: wanted.toReversed(), asked: [1, 0] })
  const far = await world(t, { reversed: true, nearMs: 0 })
  for (const _ of [1, 2]) t.same(await far.retrieve(), { came: far.sops.toReversed(), asked: [1, 0] })
})

t.test('an object that is gone does not hold up those after it', async (t) => {
  const { sops, retrieve, server } = await world(t, { reversed: true })
  await retrieve()
  server.objects.splice(
    server.objects.findIndex(({ header }) => header.sop === sops[5]),
    1,
  )
  const { came } = await retrieve()
  t.same(came, sops.toSpliced(5, 1))
})
