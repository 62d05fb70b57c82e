/** The sound objects that the fuzzer alters: our own in every way of writing them, and real ones where there are any. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { writeEnhanced } from '@mdm/server/dicom/dcmjs/write-enhanced'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { readFileMeta, readHeader } from '@mdm/server/dicom/part10/index'
import { spanAt, UNDEFINED_LENGTH, type Encoding } from '@mdm/server/dicom/part10/encoding'
import { skipItems } from '@mdm/server/dicom/part10/skip'
import { small } from '../../server/volume/generated.ts'
import { sharedData } from '../../fixtures/shared-data.ts'
import { fragments, toBigEndian, withSyntax } from './write.ts'

export interface Seed extends Encoding {
  /** preamble and file meta information */
  readonly meta: Buffer
  /** inflated where the object is deflated */
  readonly dataSet: Buffer
  readonly deflated: boolean
  /** where the elements of the data set begin */
  readonly elements: readonly number[]
  /** values that must be in no message */
  readonly secrets: readonly string[]
}

const SYNTAXES = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  bigEndian: '1.2.840.10008.1.2.2',
  jpeg: '1.2.840.10008.1.2.4.70',
  rle: '1.2.840.10008.1.2.5',
}
const MAX_REAL_BYTES = 600_000

/** Values of patients that do not exist, told by this word. */
const CANARY = 'CANARY'
const PHI = {
  PatientName: `${CANARY}^NAME`,
  PatientID: `${CANARY}-ID`,
  AccessionNumber: `${CANARY}-ACC`,
  InstitutionName: `${CANARY} HOSPITAL`,
  ReferringPhysicianName: `${CANARY}^REFERRER`,
  StudyDescription: `${CANARY} STUDY`,
  OperatorsName: `${CANARY}^OPERATOR`,
  ReferencedStudySequence: [
    { ReferencedSOPClassUID: '1.2.840.10008.3.1.2.3.1', ReferencedSOPInstanceUID: '1.2.3' },
  ],
}

/** The objects of our own writer, in all transfer syntaxes. */
export async function ownSeeds(): Promise<Seed[]> {
  const dir = await mkdtemp(join(tmpdir(), 'mdm-fuzz-'))
  try {
    const files: Buffer[] = []
    for (const transferSyntax of [SYNTAXES.explicit, SYNTAXES.implicit]) {
      for (const modality of ['CT', 'MR'] as const) {
        const series = { modality, transferSyntax, slices: 2, attributes: () => PHI, slope: 2 }
        const { files: written } = await writeSeries(join(dir, modality + transferSyntax), small(series))
        for (const file of written) files.push(await readFile(file))
      }
    }
    const [ct] = files
    for (const transferSyntax of [SYNTAXES.explicit, SYNTAXES.implicit]) {
      const series = { modality: 'MR', transferSyntax, slices: 4, object: PHI } as const
      const { files: written } = await writeEnhanced(join(dir, `enhanced${transferSyntax}`), small(series))
      files.push(await readFile(written[0]!))
    }
    const seed = seedOf(ct!)!
    const named = (uid: string, dataSet: Buffer) => Buffer.concat([withSyntax(seed.meta, uid), dataSet])
    files.push(named(SYNTAXES.deflated, deflateRawSync(seed.dataSet)))
    files.push(named(SYNTAXES.bigEndian, toBigEndian(seed.dataSet, seed.elements)))
    for (const uid of [SYNTAXES.jpeg, SYNTAXES.rle])
      files.push(
        named(uid, Buffer.concat([seed.dataSet.subarray(0, seed.elements.at(-1)), fragments(3, 40)])),
      )
    files.push(ct!.subarray(seed.meta.length), ct!.subarray(132))
    return files.map((file) => seedOf(file)!)
  } finally {
    await rm(dir, { recursive: true })
  }
}

/** Real objects; none where the data is not there. They are read where they lie. */
export function realSeeds(): Seed[] {
  const root = sharedData()
  if (root === undefined) return []
  const paths = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  return paths
    .filter((path) => statSync(path).size <= MAX_REAL_BYTES)
    .flatMap((path) => seedOf(readFileSync(path)) ?? [])
}

/** @returns undefined for what is no DICOM object, or one that is damaged as it is */
function seedOf(file: Buffer): Seed | undefined {
  try {
    const header = readHeader(file)
    if (header.fault !== undefined) return undefined
    const { end, transferSyntax } = readFileMeta(file)!
    const deflated = transferSyntax === SYNTAXES.deflated
    const encoding = {
      explicit: transferSyntax !== SYNTAXES.implicit,
      bigEndian: transferSyntax === SYNTAXES.bigEndian,
    }
    const dataSet = deflated ? inflateRawSync(file.subarray(end)) : file.subarray(end)
    const values = [header.text.PatientName, header.text.PatientID, header.text.AccessionNumber]
    const secrets = [CANARY, ...values.filter((value) => value !== undefined && value.length > 5)] as string[]
    const elements = elementsOf(dataSet, encoding)
    return { meta: file.subarray(0, end), dataSet, deflated, elements, secrets, ...encoding }
  } catch {
    return undefined
  }
}

function elementsOf(dataSet: Buffer, encoding: Encoding): number[] {
  const elements: number[] = []
  for (let at = 0; at < dataSet.length;) {
    const span = spanAt(dataSet, at, encoding)
    if (span === undefined) break
    elements.push(at)
    const { dataOffset, length, items } = span
    const end = length === UNDEFINED_LENGTH ? skipItems(dataSet, dataOffset, items) : dataOffset + length
    if (end === undefined) break
    at = end
  }
  return elements
}
