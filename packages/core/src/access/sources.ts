import { listSources, testSource, type SourceRow, type SourceTest } from '../wire/site.ts'
import type { Session } from './session.ts'

/** The sources of the site, in the order of its configuration. @throws MDM_DENIED unless an administrator asks */
export async function sourcesOf(session: Session, signal?: AbortSignal): Promise<SourceRow[]> {
  return (await session.site.call(listSources, {}, { signal })).sources
}

/** Has the site try one of its sources; what fails is in the answer. @throws MDM_DENIED | MDM_NOT_FOUND */
export async function tryOutSource(
  session: Session,
  name: string,
  signal?: AbortSignal,
): Promise<SourceTest> {
  return await session.site.call(testSource, { params: { name } }, { signal })
}
