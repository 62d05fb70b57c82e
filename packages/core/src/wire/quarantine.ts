import { z } from 'zod'
import { contract } from './contract.ts'
import { QuarantineId } from './register.ts'

/** What was refused, for administrators: the rule, names of attributes, what to do. No DICOM values, no pixels. */
export const QuarantineRow = z.object({
  id: QuarantineId,
  source: z.string(),
  code: z.string(),
  /** the rule in words */
  reason: z.string(),
  /** attributes that made the decision, as names of DICOM PS3.6 */
  tags: z.array(z.string()),
  instances: z.int(),
  /** HMAC of the refusal and its instances: another content is another row */
  digest: z.string(),
  created: z.iso.datetime(),
  next: z.string(),
  /** the row itself holds objects for a person, who may release them; what only waits for them is not released by itself */
  releasable: z.boolean(),
  /** a person let these objects leave; the row stays until that is taken back */
  released: z.object({ time: z.iso.datetime(), by: z.string(), reason: z.string() }).optional(),
})
export type QuarantineRow = z.infer<typeof QuarantineRow>

/** Rows in order of id, from after `after` on; administrators only. */
export const listQuarantine = contract({
  method: 'GET',
  path: '/v1/quarantine',
  query: z.object({
    after: QuarantineId.optional(),
    limit: z.coerce.number().int().min(1).max(1000).optional(),
  }),
  reply: z.object({ rows: z.array(QuarantineRow).max(1000), next: QuarantineId.optional() }),
})

export const getQuarantine = contract({
  method: 'GET',
  path: '/v1/quarantine/:id',
  params: z.object({ id: QuarantineId }),
  reply: QuarantineRow,
})

/** Why something is done to a row goes to the audit log: one line, without patient data. */
export const QuarantineReason = z
  .string()
  .min(3)
  .max(200)
  .regex(/^[^\p{C}]+$/u)

/** Forgets a row: the same refusal of the same content makes no row again. */
export const postDropQuarantine = contract({
  method: 'POST',
  path: '/v1/quarantine/:id/drop',
  params: z.object({ id: QuarantineId }),
  body: z.strictObject({ reason: QuarantineReason }),
  reply: z.object({ dropped: QuarantineId }),
})

/** Lets exactly the objects leave that the row holds for privacy, and registers their series next; administrators only. */
export const postReleaseQuarantine = contract({
  method: 'POST',
  path: '/v1/quarantine/:id/release',
  params: z.object({ id: QuarantineId }),
  body: z.strictObject({ reason: QuarantineReason }),
  reply: z.object({ released: QuarantineId }),
})

/** Takes a release back: volumes with these objects are gone. */
export const postRetractQuarantine = contract({
  method: 'POST',
  path: '/v1/quarantine/:id/retract',
  params: z.object({ id: QuarantineId }),
  body: z.strictObject({ reason: QuarantineReason }),
  reply: z.object({ retracted: QuarantineId }),
})
