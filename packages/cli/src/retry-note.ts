import type { Retry } from '@mdm/core/access/retry'
import { ERRORS } from '@mdm/core/errors'
import { readableSeconds } from './output.ts'
import type { Progress } from './progress.ts'

/** Says that another attempt is about to be made, where a progress line may be standing. */
export function retryNote(progress: Progress, talk: (line: string) => void): (retry: Retry) => void {
  return ({ code, attempt, attempts, waitMs }) => {
    progress.end()
    progress.attempt(attempt, attempts)
    const next = `attempt ${attempt} of ${attempts} in ${readableSeconds(waitMs / 1000)}`
    talk(`note: ${code}: ${ERRORS[code].what}; ${next}`)
  }
}
