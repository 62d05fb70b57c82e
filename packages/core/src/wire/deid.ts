import { z } from 'zod'
import { contract } from './contract.ts'
import { QuarantineId, SeriesHandle } from './register.ts'

/** Which series: by a row in quarantine, by its handle, or by what a source is asked for. */
export const DeidQuestion = z.strictObject({
  quarantine: QuarantineId.optional(),
  series: SeriesHandle.optional(),
  source: z.string().max(32).optional(),
  /** as of `mdm register`; must mean one series */
  where: z.string().min(1).max(1000).optional(),
})
export type DeidQuestion = z.infer<typeof DeidQuestion>

/** Volumes that a preview shows whole. */
export const VOLUMES_SHOWN = 10

const Value = z.union([z.string(), z.number(), z.null()])

/** What would leave of a series if nothing held it, and what would not; values of a patient, for administrators alone. */
export const DeidPreview = z.object({
  source: z.string(),
  series: SeriesHandle,
  objects: z.int(),
  /** objects that are held for a person, by rule */
  held: z.array(z.object({ reason: z.string(), objects: z.int(), released: z.boolean() })),
  /** what no release helps with */
  refused: z.array(z.object({ code: z.string(), reason: z.string(), instances: z.int() })),
  /** how many volumes there would be; the first of them follow */
  volumeCount: z.int(),
  volumes: z
    .array(
      z.object({
        label: z.string(),
        profile: z.string(),
        /** lines of the header that leaves with the voxels */
        header: z.array(z.string()),
        /** columns that have a value, and the right on their table that shows it */
        columns: z.array(
          z.object({
            table: z.string(),
            column: z.string(),
            view: z.enum(['basic', 'research', 'read']),
            value: Value,
          }),
        ),
      }),
    )
    .max(VOLUMES_SHOWN),
  /** elements of one object that are no part of the header; a table may hold some, as `columns` say */
  withheld: z.array(z.object({ path: z.string(), name: z.string(), vr: z.string(), value: z.string() })),
  /** false where the object goes on after these elements, or stops making sense */
  complete: z.boolean(),
})
export type DeidPreview = z.infer<typeof DeidPreview>

/** Reads a series at its source and says what would leave of it; administrators only, and written down as a look at patient data. */
export const postDeidPreview = contract({
  method: 'POST',
  path: '/v1/deid/preview',
  asksOnly: true,
  body: DeidQuestion,
  reply: DeidPreview,
})
