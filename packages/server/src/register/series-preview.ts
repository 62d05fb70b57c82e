import { createSecretKey, randomBytes } from 'node:crypto'
import { MdmError } from '@mdm/core/errors'
import { VOLUMES_SHOWN, type DeidPreview } from '@mdm/core/wire/deid'
import { listElements } from '../dicom/part10/index.ts'
import type { DicomSource, SeriesRef, StoredObject } from '../dicom/source.ts'
import { COLUMNS } from '../metadata/column-rights.ts'
import type { VolumePlan } from '../volume/plan.ts'
import { headersToPlan } from './headers-to-plan.ts'
import { holdsOf, releasedHolds } from './holds.ts'
import { planOf } from './plan-of.ts'
import { pseudonymKeysOf } from './pseudonyms/derive.ts'
import { seriesHandle, type RegisterOptions } from './register-series.ts'
import { withPseudonyms } from './register-volume.ts'

/** Of the object whose elements are shown; what lies behind are pixels. */
const MOST_BYTES = 4 << 20

/** In place of what a key makes. */
const MADE = '(made at registration)'

/** Attributes that the header of a volume is made of, by tag. */
const IN_HEADER = new Set(
  '00080060 00200032 00200037 00280002 00280004 00280010 00280011 00280030 00280100 00280101 00280102 00280103 00281052 00281053 7fe00010'.split(
    ' ',
  ),
)

export type PreviewOptions = Pick<RegisterOptions, 'db' | 'localKey' | 'site' | 'retained'>

/**
 * Reads a series as registration would and says what would leave of it if a person released what is held; nothing is stored.
 *
 * @throws MDM_NOT_FOUND when the series is not at its source | MDM_SOURCE_*
 */
export async function seriesPreview(
  o: PreviewOptions,
  { source, ref, signal }: { source: DicomSource; ref: SeriesRef; signal: AbortSignal },
): Promise<DeidPreview> {
  const headers = await headersToPlan(source, ref, signal)
  const holds = holdsOf(o.localKey, { source: source.name, series: ref }, headers)
  const released = new Set((await releasedHolds(o.db, holds)).map(({ digest }) => digest))
  const plan = await planOf(o, { source, ref, signal }, headers, { released: () => true })
  const shown = headers.find(({ sop }) => holds.some(({ sops }) => sops.has(sop))) ?? headers[0]
  if (shown === undefined) throw new MdmError('MDM_NOT_FOUND', 'the series is not at its source')
  return {
    source: source.name,
    series: seriesHandle(o, ref),
    objects: headers.length,
    held: holds.map(({ reason, sops, digest }) => ({
      ...{ reason, objects: sops.size, released: released.has(digest) },
    })),
    refused: plan.refused.map(({ code, reason, instances }) => ({ code, reason, instances })),
    volumeCount: plan.volumes.length,
    volumes: plan.volumes.slice(0, VOLUMES_SHOWN).map((volume) => leaves(o, ref, volume)),
    ...(await elementsOf(source, { ref, sop: shown.sop, signal })),
  }
}

function leaves(o: PreviewOptions, ref: SeriesRef, planned: VolumePlan): DeidPreview['volumes'][number] {
  // What the key of the site makes is told as such: a look must not make that key, or wait for key servers.
  const plan = withPseudonyms(o, { plan: planned, ref }, pseudonymKeysOf(createSecretKey(randomBytes(32))))
  return {
    ...{ label: plan.label, profile: plan.profile },
    header: plan.header.toString('latin1').trimEnd().split('\n'),
    columns: COLUMNS.flatMap(({ table, column, view }) => {
      const value = plan.tables[table][column] ?? null
      const isMade = typeof value === 'string' && value !== planned.tables[table][column]
      return value === null ? [] : [{ table, column, view, value: isMade ? MADE : value }]
    }),
  }
}

async function elementsOf(
  source: DicomSource,
  { ref, sop, signal }: { ref: SeriesRef; sop: string; signal: AbortSignal },
): Promise<Pick<DeidPreview, 'withheld' | 'complete'>> {
  // Loaded when somebody looks: it is large, and the site needs it for nothing else.
  const { entryOf } = await import('@mdm/core/volume/dicom-series/dictionary')
  for await (const object of source.objects(ref, { sops: [sop], purpose: 'register', signal })) {
    const bytes = await beginning(object)
    const { elements, complete } = listElements(bytes, object.transferSyntax, (tag) => entryOf(tag)?.vr)
    const withheld = elements
      .filter(({ path }) => !IN_HEADER.has(path))
      .map(({ path, tag, vr, value }) => ({ path, name: entryOf(tag)?.name ?? '', vr, value }))
    return { withheld, complete }
  }
  throw new MdmError('MDM_SOURCE_INCOMPLETE', 'the source does not give an object that it has')
}

async function beginning({ dataSet }: StoredObject): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of dataSet) {
    if (length < MOST_BYTES) pieces.push(piece)
    length += piece.length
  }
  return Buffer.concat(pieces).subarray(0, MOST_BYTES)
}
