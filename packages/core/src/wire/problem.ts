import { z } from 'zod'

/** RFC 9457 problem document: what every refusal looks like on the wire. */
export const Problem = z.object({
  type: z.string().optional(),
  title: z.string().max(500),
  status: z.int(),
  code: z.string().max(64),
  detail: z.string().max(2000).optional(),
  requestId: z.string().max(64).optional(),
  details: z.record(z.string(), z.unknown()).optional(),
})
export type Problem = z.infer<typeof Problem>

export const PROBLEM_TYPE = 'application/problem+json'
