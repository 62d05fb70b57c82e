import { createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { Test } from 'tap'
import { containerLength } from '@mdm/core/crypto/container/profile'
import { decryptContainer } from '@mdm/core/crypto/container/reader'
import { newGuid, newKid, type Lfn, type SiteId, surlOf } from '@mdm/core/names'
import { nrrdHeader } from '@mdm/core/volume/formats/nrrd'
import type { Volume } from '@mdm/core/volume/volume'
import type { VolumeRecord } from '@mdm/server/catalog/catalog'
import { createDelivery, type Delivery, type DeliveryOptions, type Lease } from '@mdm/server/deliver/delivery'
import { readContainer } from '@mdm/server/deliver/transfer'
import type { InstanceHeader, RetrievedFrame, SliceSource, Wanted } from '@mdm/server/dicom/source'
import type { SliceRow } from '@mdm/server/volume/plan'

const SITE = 'demo' as SiteId

/** A registered volume whose source is this process: slice k is a block of 32 bytes, repeated. */
export interface TestVolume {
  readonly record: VolumeRecord
  readonly fileKey: KeyObject
  /** SHA-256 of the plaintext, hex */
  readonly sha256: string
  /** 16 bytes that stand in every 32 bytes of voxels: where they are found, plaintext is */
  readonly marker: Buffer
  instance(k: number): RetrievedFrame
}

/** A volume of unsigned 16-bit voxels that need no masking. */
export function testVolume(o: { columns?: number; rows?: number; slices?: number } = {}): TestVolume {
  const [columns, rows, slices] = [o.columns ?? 256, o.rows ?? 256, o.slices ?? 10]
  const volume: Volume = {
    ...{
      columns,
      rows,
      slices,
      type: 'uint16',
      origin: [-10, -20, -30],
      slope: 1,
      intercept: 0,
      modality: 'MR',
    },
    spaceDirections: [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 2],
    ],
  }
  const header = nrrdHeader(volume)
  const sliceBytes = columns * rows * 2
  const [guid, kid, marker] = [newGuid(), newKid(), randomBytes(16)]
  const plaintextBytes = header.length + slices * sliceBytes
  const profile = 'test-1'
  const rowsOf = Array.from({ length: slices }, (_, index) => sliceRow(index, rows, columns))
  const pattern = (k: number) => Buffer.concat([marker, createHash('md5').update(`${k}`).digest()])
  const digest = createHash('sha256').update(header)
  // one buffer for all: test/flows/memory.test.ts counts what this process takes
  const slice = Buffer.alloc(sliceBytes)
  for (let k = 0; k < slices; k++) digest.update(slice.fill(pattern(k)))
  const record: VolumeRecord = {
    ...{ guid, version: 1, kid, site: SITE, source: 'memory', study: '1.2.3', series: '1.2.3.4' },
    lfn: '/demo/memory/MR/000001' as Lfn,
    surl: surlOf('localhost', 8443, guid),
    ...{ plaintextBytes, header, sliceBytes, slices: rowsOf, volume, profile, manifest: 'not read here' },
    containerBytes: containerLength({ guid, version: 1, kid, plaintextBytes, site: SITE, profile }),
    registered: new Date(0).toISOString(),
  }
  const instance = (k: number) => ({
    header: headerOf(rowsOf[k]!),
    frame: 0,
    pixels: Buffer.alloc(sliceBytes, pattern(k)),
  })
  return {
    record,
    fileKey: createSecretKey(randomBytes(32)),
    sha256: digest.digest('hex'),
    marker,
    instance,
  }
}

function sliceRow(index: number, rows: number, columns: number): SliceRow {
  return {
    ...{ index, sop: `1.2.3.4.${index + 1}`, rows, columns, position: [-10, -20, -30 + 2 * index] },
    ...{
      orientation: [1, 0, 0, 0, 1, 0],
      bitsAllocated: 16,
      bitsStored: 16,
      highBit: 15,
      pixelRepresentation: 0,
    },
    ...{ slope: 1, intercept: 0 },
  }
}

function headerOf({ index: _, ...row }: SliceRow): InstanceHeader {
  return {
    ...row,
    ...{ study: '1.2.3', series: '1.2.3.4', sopClass: '1.2.840.10008.5.1.4.1.1.4' },
    ...{ transferSyntax: '1.2.840.10008.1.2.1', modality: 'MR', imageType: ['ORIGINAL'], frames: 1 },
    ...{ samplesPerPixel: 1, photometric: 'MONOCHROME2', pixelSpacing: [1, 1], sliceThickness: 2 },
    ...{ spacingBetweenSlices: 2, functionalGroups: false, tiled: false, modalityLut: undefined },
    ...{ pixelData: { offset: 1000, length: row.rows * row.columns * 2 }, floatPixels: false, text: {} },
    ...{ instanceNumber: 1, marks: {}, isRescaled: false, realWorld: [] },
  }
}

/** What the source does when it is asked for the `attempt`-th time, from 1. */
export type Script = (
  asked: ReadonlySet<number>,
  attempt: number,
  signal: AbortSignal,
) => AsyncIterable<RetrievedFrame>

/** Another hospital's PACS: sends what the script says. */
export function scriptedSource(volume: TestVolume, script: Script): SliceSource & { attempts: number } {
  const indexOf = new Map(volume.record.slices.map((row) => [row.sop, row.index]))
  const source = {
    name: 'memory',
    attempts: 0,
    series: async () => [],
    headers: async function* () {},
    faults: () => [],
    retrieve: (
      _ref: unknown,
      wanted: readonly Wanted[],
      signal: AbortSignal = new AbortController().signal,
    ) => script(new Set(wanted.map(({ sop }) => indexOf.get(sop)!)), ++source.attempts, signal),
  }
  return source
}

/** Sends the slices asked for in this order, and waits for `gate` before each. */
export function sends(
  volume: TestVolume,
  order: readonly number[],
  gate?: (k: number) => Promise<void>,
): Script {
  return async function* (asked) {
    for (const k of order) {
      if (!asked.has(k)) continue
      await gate?.(k)
      yield volume.instance(k)
    }
  }
}

const forward = (n: number) => Array.from({ length: n }, (_, k) => k)
const shuffled = (k: number) => createHash('md5').update(`${k}`).digest('hex')

/** Orders in which sources send n slices. */
export const ORDERS: Record<'forward' | 'reversed' | 'even, then odd' | 'random', (n: number) => number[]> = {
  forward,
  reversed: (n) => forward(n).reverse(),
  'even, then odd': (n) => [0, 1].flatMap((odd) => forward(n).filter((k) => k % 2 === odd)),
  random: (n) => forward(n).sort((a, b) => (shuffled(a) < shuffled(b) ? -1 : 1)),
}

/** A delivery over one volume, which stops when the test ends, and the digests its catalog was told. */
export function deliveryOf(
  t: Test,
  volume: TestVolume,
  o: { source: SliceSource } & Partial<DeliveryOptions>,
): { delivery: Delivery; digests: string[]; spoolDir: string } {
  const digests: string[] = []
  // before testdir(): its folder is to be removed after this
  t.teardown(() => delivery.close())
  const spoolDir = o.spoolDir ?? t.testdir()
  const delivery = createDelivery({
    catalog: { recordDigest: async (_guid, _version, sha256) => void digests.push(sha256) },
    sources: new Map([['memory', o.source]]),
    keys: { fetch: async () => volume.fileKey },
    site: SITE,
    quotaBytes: 4 * 1024 ** 3,
    ...o,
    spoolDir,
  })
  return { delivery, digests, spoolDir }
}

export const forever = new AbortController().signal

/** Opens and reads a part (end exclusive), as the route does. */
export async function get(
  delivery: Delivery,
  volume: TestVolume,
  span?: { start: number; end: number },
): Promise<Buffer> {
  const lease = await delivery.open(volume.record, { signal: forever })
  return bytesOf(stream(lease, span))
}

export function stream(lease: Lease, span = { start: 0, end: lease.length }): Readable {
  return readContainer(lease.preparation, span, lease.release)
}

export async function bytesOf(readable: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of readable) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** SHA-256 of the plaintext in a container, as a client gets it. */
export async function plaintextDigest(container: Buffer, volume: TestVolume): Promise<string> {
  const hash = createHash('sha256')
  const { guid, version, kid } = volume.record
  const open = async () => ({ fileKey: volume.fileKey, expected: { guid, version, kid } })
  async function* chunks() {
    yield container
  }
  for await (const bytes of decryptContainer(chunks(), open)) hash.update(bytes)
  return hash.digest('hex')
}

/** Bytes of every file in a folder, by name; without one that goes or gets its last name meanwhile. */
export function filesIn(folder: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (const name of readdirSync(folder)) {
    try {
      found.set(name, readFileSync(path.join(folder, name)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return found
}

/** Resolves when `condition` holds; polls, since files change by themselves. */
export async function until(condition: () => boolean, ms = 60_000): Promise<void> {
  for (const end = performance.now() + ms; !condition();) {
    if (performance.now() > end) throw new Error('it never came true')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
