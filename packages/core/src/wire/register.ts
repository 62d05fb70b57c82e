import { z } from 'zod'
import { Guid, Lfn, Sha256, Version } from '../names.ts'
import { AxisName } from '../volume/volume.ts'
import { contract } from './contract.ts'

/** Names a series without saying which: an HMAC that only the site can make. */
export const SeriesHandle = Sha256
export type SeriesHandle = z.infer<typeof SeriesHandle>

export const QuarantineId = z.string().regex(/^q-[0-9a-f]{16}$/)

/** Series or quarantine rows that one request may name. */
export const NAMED_AT_ONCE = 1_000

/** What is to be registered. */
export const RegisterQuestion = z.strictObject({
  /** all sources when absent */
  source: z.string().max(32).optional(),
  /** only series for which this holds: a query of modality, study_date, source_patient_id, study_uid, series_uid */
  where: z.string().min(1).max(1000).optional(),
  /** false: a series that is known, and of which the source has as many objects as before, is not read again */
  recheck: z.boolean().optional(),
  /** true: slices may be missing or uneven, and the volume says where they are */
  allowGaps: z.boolean().optional(),
  /** only these series, as events name them */
  series: z.array(SeriesHandle).min(1).max(NAMED_AT_ONCE).optional(),
  /** only the series of these quarantine rows */
  quarantine: z.array(QuarantineId).min(1).max(NAMED_AT_ONCE).optional(),
})
export type RegisterQuestion = z.infer<typeof RegisterQuestion>

/** Starts registration and streams one RegisterEvent a line (application/x-ndjson); it goes on when the client leaves. */
export const postRegister = contract({
  method: 'POST',
  path: '/v1/register',
  body: RegisterQuestion,
})

export const RegisteredVolume = z.object({
  guid: Guid,
  version: Version,
  lfn: Lfn,
  source: z.string(),
  modality: z.string(),
  shape: z.array(z.int()).length(3),
  instances: z.int(),
})
export type RegisteredVolume = z.infer<typeof RegisteredVolume>

/** A set that is new, or has a new version. */
export const RegisteredSet = z.object({
  guid: Guid,
  version: Version,
  source: z.string(),
  axis: AxisName,
  /** how many it has */
  volumes: z.int().min(2),
})
export type RegisteredSet = z.infer<typeof RegisteredSet>

/** A refused volume; `quarantine` names the row kept for the administrator. No DICOM values. */
export const RefusedVolume = z.object({ quarantine: z.string(), code: z.string(), reason: z.string() })
export type RefusedVolume = z.infer<typeof RefusedVolume>

/** How often each thing became of a volume or series. */
export const RegisterCounts = z.object({
  registered: z.int(),
  already: z.int(),
  returned: z.int(),
  gone: z.int(),
  refused: z.int(),
  dropped: z.int(),
  waiting: z.int(),
  failed: z.int(),
})
export type RegisterCounts = z.infer<typeof RegisterCounts>

export function noCounts(): RegisterCounts {
  return { registered: 0, already: 0, returned: 0, gone: 0, refused: 0, dropped: 0, waiting: 0, failed: 0 }
}

const series = SeriesHandle.optional()

export const RegisterEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), done: z.int(), total: z.int() }),
  z.object({ type: z.literal('registered'), volume: RegisteredVolume, series }),
  /** volumes of one series that were registered belong together; no volume is counted by it */
  z.object({ type: z.literal('set'), set: RegisteredSet, series }),
  z.object({ type: z.literal('already'), guid: Guid, series }),
  /** the source has it again, as it was */
  z.object({ type: z.literal('returned'), guid: Guid, series }),
  /** the source no longer has it */
  z.object({ type: z.literal('gone'), guid: Guid, series }),
  z.object({ type: z.literal('refused'), refused: RefusedVolume, series }),
  /** refused as before, and an administrator has dropped that */
  z.object({ type: z.literal('dropped'), quarantine: z.string(), series }),
  z.object({ type: z.literal('waiting'), code: z.string(), message: z.string(), series }),
  /** this series could not be looked at; others went on */
  z.object({ type: z.literal('failed'), code: z.string(), series }),
  z.object({ type: z.literal('done'), counts: RegisterCounts }),
  z.object({ type: z.literal('error'), code: z.string(), message: z.string() }),
])
export type RegisterEvent = z.infer<typeof RegisterEvent>
