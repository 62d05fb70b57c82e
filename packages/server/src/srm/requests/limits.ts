import { z } from 'zod'

const DAY_SECONDS = 86_400

/** What one caller may have prepared and pinned at a time: his certificate and all its proxies together. */
export const SrmLimits = z.strictObject({
  /** files that wait, are prepared or are pinned */
  openFiles: z.int().min(1).max(100_000).default(2_000),
  filesPerRequest: z.int().min(1).max(1_000).default(1_000),
  /** the part of the spool that the files of one caller may take */
  pinnedShare: z.number().gt(0).max(1).default(0.5),
  /** how long a pin lasts where its caller does not say */
  pinSeconds: z.int().min(1).max(DAY_SECONDS).default(3_600),
  maxPinSeconds: z.int().min(1).max(DAY_SECONDS).default(DAY_SECONDS),
  /** after this time nothing of a request waits or is pinned */
  requestSeconds: z.int().min(1).max(DAY_SECONDS).default(DAY_SECONDS),
})
export type SrmLimits = z.infer<typeof SrmLimits>
