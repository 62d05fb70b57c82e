import {
  getQuarantine,
  listQuarantine,
  postDropQuarantine,
  postReleaseQuarantine,
  postRetractQuarantine,
  type QuarantineRow,
} from '../wire/quarantine.ts'
import type { Session } from './session.ts'

/** What the site refused and keeps for its administrators, in order of id. @throws MDM_DENIED */
export async function* quarantined(session: Session, signal?: AbortSignal): AsyncGenerator<QuarantineRow> {
  let after: string | undefined
  do {
    const page = await session.site.call(listQuarantine, { query: { after, limit: 1000 } }, { signal })
    yield* page.rows
    after = page.next
  } while (after !== undefined)
}

/** @throws MDM_DENIED | MDM_NOT_FOUND */
export async function quarantineRow(
  session: Session,
  id: string,
  signal?: AbortSignal,
): Promise<QuarantineRow> {
  return await session.site.call(getQuarantine, { params: { id } }, { signal })
}

/**
 * Forgets a row until the series has other content.
 *
 * @param reason goes to the audit log of the site; without patient data
 * @throws MDM_DENIED | MDM_NOT_FOUND
 */
export async function dropQuarantined(
  session: Session,
  id: string,
  reason: string,
  signal?: AbortSignal,
): Promise<void> {
  await session.site.call(postDropQuarantine, { params: { id }, body: { reason } }, { signal })
}

/**
 * Lets exactly the objects leave that a row holds for privacy; the site registers their series by itself then.
 *
 * @param reason goes to the audit log of the site; without patient data
 * @throws MDM_DENIED | MDM_NOT_FOUND | MDM_USAGE for what cannot be released
 */
export async function releaseQuarantined(
  session: Session,
  id: string,
  reason: string,
  signal?: AbortSignal,
): Promise<void> {
  await session.site.call(postReleaseQuarantine, { params: { id }, body: { reason } }, { signal })
}

/**
 * Takes a release back: volumes with these objects are gone, for everybody.
 *
 * @param reason goes to the audit log of the site; without patient data
 * @throws MDM_DENIED | MDM_NOT_FOUND | MDM_USAGE for what was not released
 */
export async function retractReleased(
  session: Session,
  id: string,
  reason: string,
  signal?: AbortSignal,
): Promise<void> {
  await session.site.call(postRetractQuarantine, { params: { id }, body: { reason } }, { signal })
}
