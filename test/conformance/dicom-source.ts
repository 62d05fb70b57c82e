import { readFile } from 'node:fs/promises'
import { writeSeries, type WrittenSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { readBareHeader, readFileMeta } from '@mdm/server/dicom/part10/index'
import type {
  DicomSource,
  RetrievedFrame,
  SeriesFilter,
  StoredObject,
  Wanted,
} from '@mdm/server/dicom/source'
import t, { type Test } from 'tap'
import {
  AWKWARD,
  SEQUENCES,
  writeAwkwardSeries,
  type Awkwardness,
  type AwkwardSeries,
} from './awkward-series.ts'
import { encodeDataSet, valuesOf, type Element } from './raw-object.ts'
import { COMPRESSIONS, writeCompressedSeries } from './compressed-series.ts'
import { wantedOf } from '../fixtures/wanted.ts'

/** What a server is known not to do; whatever is not said here is expected of it. */
export interface Capabilities {
  /** `values` of a server that writes data sets anew: each value is the same, but not the lengths around it, nor perhaps the transfer syntax */
  keeps?: 'bytes' | 'values'
  /** the one transfer syntax that a server answers in, whatever it was given */
  sends?: string
  /** a server that adds what a value of odd length lacks */
  pads?: boolean
  /** series that the server does not take */
  without?: readonly Awkwardness[]
  /** ways of retrieving that the server offers, and that bring nothing */
  broken?: readonly string[]
}

/** Serves a folder of DICOM files by a source of the kind under test. */
export type Serve = (t: Test, folder: string) => Promise<DicomSource>

/** What every DicomSource keeps to; a new kind adds one line that calls this. */
export function dicomSourceContract(
  kind: string,
  serve: Serve,
  { keeps = 'bytes', sends, pads = false, without = [], broken = [] }: Capabilities = {},
): void {
  const start = async (t: Test): Promise<{ source: DicomSource; ct: WrittenSeries; mr: WrittenSeries }> => {
    const folder = t.testdir()
    const grid = { columns: 5, rows: 3, slices: 7, spacing: [1, 1, 2] as [number, number, number] }
    const voxel = (i: number, j: number, k: number): number => 100 * k + 10 * j + i
    const ct = await writeSeries(`${folder}/a`, { ...grid, modality: 'CT', voxel })
    const mr = await writeSeries(`${folder}/b`, { ...grid, modality: 'MR', voxel, slices: 2 })
    return { source: await serve(t, folder), ct, mr }
  }

  t.test(`${kind}: names every series once`, async (t) => {
    const { source, ct, mr } = await start(t)
    const found = (await source.series()).map(({ study, series }) => `${study} ${series}`)
    t.same(found.sort(), [ct, mr].map(({ study, series }) => `${study} ${series}`).sort())
    t.same(source.faults(), [])
  })

  t.test(`${kind}: what a look at all says of a series is what the series counts`, async (t) => {
    const { source } = await start(t)
    for (const { objects, ...ref } of await source.series())
      t.equal(objects ?? (await source.count(ref)), await source.count(ref))
  })

  t.test(`${kind}: gives the header of every object of a series, and of no other`, async (t) => {
    const { source, ct } = await start(t)
    const sops: string[] = []
    for await (const header of source.headers(ct)) {
      t.match(header, { study: ct.study, series: ct.series, rows: 3, columns: 5, modality: 'CT' })
      sops.push(header.sop)
    }
    t.same(sops.sort(), [...ct.sops].sort())
  })

  t.test(`${kind}: brings what is asked for, in any order, once, with its own pixels`, async (t) => {
    const { source, ct } = await start(t)
    const wanted = [ct.sops[4]!, ct.sops[1]!, ct.sops[4]!]
    const found = new Map<string, RetrievedFrame>()
    for await (const instance of source.retrieve(ct, wantedOf(wanted))) {
      t.notOk(found.has(instance.header.sop), 'once')
      found.set(instance.header.sop, instance)
    }
    t.same([...found.keys()].sort(), [ct.sops[1]!, ct.sops[4]!].sort())
    t.equal(found.get(ct.sops[4]!)!.pixels.length, 30)
    t.equal(found.get(ct.sops[4]!)!.pixels.readUInt16LE(2 * 7), 412)
  })

  t.test(
    `${kind}: brings the frames asked for of an object of several, in its own order, each once`,
    async (t) => {
      const folder = t.testdir()
      const words = Uint16Array.from({ length: 5 * 15 }, (_, i) => i)
      const series = await writeSeries(folder, {
        ...{ modality: 'MR', columns: 5, rows: 3, slices: 2, spacing: [1, 1, 2], voxel: () => 0 },
        attributes: () => ({ NumberOfFrames: 5, PixelData: words.buffer }),
      })
      const source = await serve(t, folder)
      const [first = '', second = ''] = series.sops
      const firstPixels = async (wanted: readonly Wanted[]) =>
        (await gather(source.retrieve(series, wanted)))
          .map(({ header, frame, pixels }) => [header.sop, frame, pixels.length, pixels.readUInt16LE(0)])
          .sort(([a = '', i = 0], [b = '', j = 0]) => (a === b ? Number(i) - Number(j) : a < b ? -1 : 1))
      const all = [0, 1, 2, 3, 4].map((frame) => [second, frame, 30, 15 * frame])
      t.same(await firstPixels([{ sop: second }]), all)
      const some = [
        { sop: first, frames: [3, 1] },
        { sop: first, frames: [1, 7] },
      ]
      t.same(
        await firstPixels(some),
        [1, 3].map((frame) => [first, frame, 30, 15 * frame]),
      )
    },
  )

  for (const [how, awkward] of COMPRESSIONS)
    if (!without.includes(awkward))
      t.test(`${kind}: brings the frames of objects compressed by ${how}, decoded`, async (t) => {
        const folder = t.testdir()
        const series = await writeCompressedSeries(folder, how)
        const source = await serve(t, folder)
        const found = new Map<string, Buffer[]>()
        for await (const { header, frame, pixels } of source.retrieve(series, wantedOf(series.sops))) {
          const frames = found.get(header.sop) ?? []
          t.equal(frames.length, frame, 'frames of an object are in its order')
          found.set(header.sop, [...frames, pixels])
        }
        t.equal(found.size, series.sops.length)
        for (const [k, sop] of series.sops.entries()) t.same(found.get(sop), series.frames[k], `object ${k}`)
      })

  t.test(`${kind}: gives every object as it is stored`, async (t) => {
    const { source, ct } = await start(t)
    const found = await contents(source.objects(ct))
    t.equal(found.size, 7)
    for (const [k, file] of ct.files.entries()) {
      const bytes = await readFile(file)
      const { bytes: got, transferSyntax } = found.get(ct.sops[k]!)!
      if (keeps === 'bytes') t.ok(got.equals(bytes.subarray(readFileMeta(bytes)!.end)), `object ${k}`)
      else
        t.match(readBareHeader(got, transferSyntax, got.length), { sop: ct.sops[k], rows: 3 }, `object ${k}`)
    }
  })

  t.test(`${kind}: gives every element, private ones too, in every transfer syntax`, async (t) => {
    const folder = t.testdir()
    const taken = AWKWARD.filter((awkward) => !without.includes(awkward))
    const written = new Map<Awkwardness, AwkwardSeries>()
    for (const awkward of taken)
      written.set(awkward, await writeAwkwardSeries(`${folder}/${taken.indexOf(awkward)}`, awkward))
    const source = await serve(t, folder)
    t.equal((await source.series()).length, taken.length)
    for (const [awkward, series] of written)
      await t.test(awkward, async (t) => {
        const headers = await gather(source.headers(series))
        t.same(headers.map(({ sop }) => sop).sort(), series.objects.map(({ sop }) => sop).sort())
        for (const header of headers)
          t.match(header, {
            rows: 3,
            columns: 5,
            highBit: 11,
            text: { PatientName: 'Wang^XiaoDong=王^小东=' },
          })
        const found = await contents(source.objects(series))
        t.equal(found.size, series.objects.length)
        for (const { sop, elements, dataSet } of series.objects) {
          const { bytes, transferSyntax } = found.get(sop)!
          t.equal(transferSyntax, sends ?? series.transferSyntax)
          if (keeps === 'bytes') {
            t.ok(bytes.equals(dataSet), 'every byte')
            continue
          }
          const values = (stored: Buffer) => valuesOf(stored, transferSyntax, SEQUENCES)
          const expected = pads ? elements.map(padded) : elements
          t.same(values(bytes), values(encodeDataSet(expected, transferSyntax)), 'every value')
        }
      })
  })

  t.test(`${kind}: gives the objects asked for, and counts them all`, async (t) => {
    const { source, ct } = await start(t)
    const sops: string[] = []
    for await (const object of source.objects(ct, { sops: [ct.sops[2]!, ct.sops[5]!] })) {
      sops.push(object.sop)
      t.equal(object.sopClass, '1.2.840.10008.5.1.4.1.1.2')
      for await (const _ of object.dataSet);
    }
    t.same(sops.sort(), [ct.sops[2]!, ct.sops[5]!].sort())
    t.equal(await source.count(ct), 7)
    t.equal(await source.count({ study: ct.study, series: '1.2.3.4' }), 0)
    t.equal(await source.count({ study: '1.2.3', series: ct.series }), 0, 'a series of another study')
  })

  t.test(`${kind}: an object that is not read does not disturb the next`, async (t) => {
    const { source, ct } = await start(t)
    let count = 0
    for await (const object of source.objects(ct)) {
      if (count++ % 2 === 0) continue
      const chunks: Buffer[] = []
      for await (const chunk of object.dataSet) chunks.push(Buffer.from(chunk))
      const bytes = Buffer.concat(chunks)
      t.match(readBareHeader(bytes, object.transferSyntax, bytes.length), { sop: object.sop, rows: 3 })
    }
    t.equal(count, 7)
  })

  t.test(`${kind}: two readers do not disturb one another`, async (t) => {
    const { source, ct, mr } = await start(t)
    const [first, second, third] = await Promise.all([
      gather(source.retrieve(ct, wantedOf(ct.sops))),
      gather(source.retrieve(mr, wantedOf(mr.sops))),
      gather(source.headers(ct)),
    ])
    t.same([first.length, second.length, third.length], [7, 2, 7])
    t.ok(first.every(({ header }) => header.series === ct.series))
  })

  t.test(`${kind}: a filter narrows the series`, async (t) => {
    const { source, ct, mr } = await start(t)
    const named = async (filter: SeriesFilter) =>
      (await source.series({ filter })).map(({ series }) => series)
    t.same(await named({ modality: 'MR' }), [mr.series])
    t.same(await named({ series: ct.series, study: ct.study }), [ct.series])
    t.same(await named({ modality: 'US' }), [])
    t.same(await named({ studyDate: { from: '29990101' } }), [])
    t.equal((await named({ studyDate: { from: '19000101', to: '29990101' } })).length, 2)
    t.equal((await named({ studyDate: { from: '20200102', to: '20200102' } })).length, 2, 'both ends count')
    t.equal((await named({ patientId: 'MDM-PHANTOM' })).length, 2)
    t.same(await named({ patientId: 'MDM-PHANTO' }), [])
    t.same(await named({ study: '1.2.3', series: ct.series }), [])
  })

  t.test(`${kind}: a probe finds it in order`, async (t) => {
    const { source } = await start(t)
    const { steps, methods } = await source.probe()
    const failed = steps.flatMap(({ step, ok }) => (ok ? [] : [step]))
    t.same(failed, broken, JSON.stringify(steps))
    t.ok(steps.length > failed.length && methods.length > 0)
    t.notOk(broken.includes(methods[0]!), 'what works is used first')
  })

  t.test(`${kind}: an object that is not there does not come, and does not hold up the others`, async (t) => {
    const { source, ct, mr } = await start(t)
    const sops: string[] = []
    for await (const { header } of source.retrieve(ct, wantedOf(['1.2.3', ct.sops[0]!, mr.sops[0]!])))
      sops.push(header.sop)
    t.same(sops, [ct.sops[0]])
  })

  t.test(`${kind}: an unknown series is MDM_NOT_FOUND`, async (t) => {
    const { source, ct } = await start(t)
    const unknown = { study: ct.study, series: '1.2.3.4' }
    await t.rejects(source.headers(unknown)[Symbol.asyncIterator]().next(), { code: 'MDM_NOT_FOUND' })
    await t.rejects(source.retrieve(unknown, wantedOf(ct.sops))[Symbol.asyncIterator]().next(), {
      code: 'MDM_NOT_FOUND',
    })
    await t.rejects(source.objects(unknown)[Symbol.asyncIterator]().next(), { code: 'MDM_NOT_FOUND' })
  })

  t.test(`${kind}: aborting stops a retrieve`, async (t) => {
    const { source, ct } = await start(t)
    const abort = new AbortController()
    const instances = source.retrieve(ct, wantedOf(ct.sops), abort.signal)[Symbol.asyncIterator]()
    t.notOk((await instances.next()).done)
    abort.abort()
    await t.rejects(instances.next(), { name: 'AbortError' })
    const { signal } = abort
    await t.rejects(source.series({ signal }), { name: 'AbortError' })
    await t.rejects(source.count(ct, signal), { name: 'AbortError' })
    await t.rejects(gather(source.headers(ct, signal)), { name: 'AbortError' })
    await t.rejects(gather(source.objects(ct, { signal })), { name: 'AbortError' })
    t.equal((await gather(source.retrieve(ct, wantedOf(ct.sops)))).length, 7, 'and the next one works')
  })

  t.test(`${kind}: a reader may leave in the middle, and another begin`, async (t) => {
    const { source, ct } = await start(t)
    for await (const _ of source.retrieve(ct, wantedOf(ct.sops))) break
    let count = 0
    for await (const _ of source.retrieve(ct, wantedOf(ct.sops))) count++
    t.equal(count, 7)
  })
}

/** As servers mend a value of odd length, whatever its VR. */
function padded(element: Element): Element {
  const { odd, value } = element
  if (odd !== true) return element
  return { ...element, odd: false, value: typeof value === 'string' ? `${value}\0` : value }
}

async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const gathered: T[] = []
  for await (const item of items) gathered.push(item)
  return gathered
}

/** Objects with all of their bytes, by SOPInstanceUID. */
async function contents(
  objects: AsyncIterable<StoredObject>,
): Promise<Map<string, { bytes: Buffer; transferSyntax: string }>> {
  const found = new Map<string, { bytes: Buffer; transferSyntax: string }>()
  for await (const { sop, transferSyntax, dataSet } of objects) {
    const chunks = (await gather(dataSet)).map((chunk) => Buffer.from(chunk))
    found.set(sop, { bytes: Buffer.concat(chunks), transferSyntax })
  }
  return found
}
