import { deflateRawSync } from 'node:zlib'
import { writeObject } from '@mdm/server/dicom/dcmjs/write-object'
import { readFileMeta } from '@mdm/server/dicom/part10/index'
import { soundFrames } from '@mdm/server/dicom/pixels/frames'
import { readObject, readObjectHeader } from '@mdm/server/dicom/sources/read-objects'
import t from 'tap'
import * as hostile from '../../fuzz/dataset/hostile.ts'
import { EXPLICIT } from '../../fuzz/dataset/write.ts'

const PLAIN = '1.2.840.10008.1.2.1'
const DEFLATED = '1.2.840.10008.1.2.1.99'
const FILE = writeObject({
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  Rows: 100,
  Columns: 100,
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
  PixelData: new Uint16Array(10_000).buffer,
})
const DATA_SET = FILE.subarray(readFileMeta(FILE)!.end)

/** An object in chunks; `took` is told of each that is taken. */
function arriving(transferSyntax: string, bytes: Buffer, took: (bytes: number) => void = () => {}) {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += 16_384) {
      took(Math.min(16_384, bytes.length - at))
      yield bytes.subarray(at, at + 16_384)
    }
  }
  return { transferSyntax, dataSet: chunks() }
}

/** How long each frame is that can be had of an object. */
async function frameBytes(object: ReturnType<typeof arriving>): Promise<number[]> {
  const read = await readObject(object)
  const lengths: number[] = []
  if (read === undefined) return lengths
  for await (const { bytes } of soundFrames(read.header, read.bytes)) lengths.push(bytes.length)
  return lengths
}

t.test('a deflated object is no damaged one, though it holds more than it has bytes', async (t) => {
  const header = await readObjectHeader(arriving(DEFLATED, deflateRawSync(DATA_SET)))
  t.match(header, { fault: undefined, rows: 100, pixelData: { length: 20_000 } })
  t.same(await frameBytes(arriving(DEFLATED, deflateRawSync(DATA_SET))), [20_000])
})

t.test('an object that ends before its pixels do is damaged', async (t) => {
  const cut = DATA_SET.subarray(0, DATA_SET.length - 1)
  t.equal((await readObjectHeader(arriving(PLAIN, cut))).fault, 'MDM_DICOM')
  t.same(await frameBytes(arriving(PLAIN, cut)), [])
  t.same(await frameBytes(arriving(PLAIN, DATA_SET)), [20_000])
})

t.test('hostile objects are MDM_DICOM, and what follows them can still be read', async (t) => {
  const hostiles: Record<string, [transferSyntax: string, bytes: Buffer]> = {
    elements: [PLAIN, hostile.manyElements(EXPLICIT, 1)],
    items: [PLAIN, hostile.manyItems(EXPLICIT, 1)],
    'no end': [PLAIN, hostile.manyUnended(EXPLICIT, 1)],
    deep: [PLAIN, hostile.deep(EXPLICIT, 1, true)],
    bomb: [DEFLATED, hostile.bomb('items')],
    blocks: [DEFLATED, hostile.emptyBlocks()],
    nothing: [PLAIN, Buffer.alloc(0)],
  }
  for (const [kind, [transferSyntax, bytes]] of Object.entries(hostiles)) {
    let taken = 0
    const object = arriving(transferSyntax, bytes, (length) => (taken += length))
    await t.rejects(readObjectHeader(object), { code: 'MDM_DICOM', cause: undefined }, kind)
    t.equal(taken, bytes.length, `${kind}: read to its end`)
    t.same(await frameBytes(arriving(transferSyntax, bytes)), [], kind)
  }
})
