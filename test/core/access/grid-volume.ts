import type { Test } from 'tap'
import { openSession, type Session } from '@mdm/core/access/session'
import { loadConfig } from '@mdm/core/config'
import type { Guid } from '@mdm/core/names'
import { startGrid, type Grid, type User } from '../../fixtures/grid.ts'

/** A whole grid with its phantoms registered; `guid` is the CT. */
export interface RegisteredGrid {
  readonly grid: Grid
  readonly guid: Guid
  /** A session of this process as a user; it ends with the test. */
  as(user: User): Promise<Session>
}

export async function startRegisteredGrid(t: Test): Promise<RegisteredGrid> {
  const sessions: Session[] = []
  t.teardown(() => Promise.all(sessions.map((session) => session.close())))
  const grid = await startGrid(t)
  const { registered } = (await grid.ok('admin', ['register', '--json'])).json
  const guid: Guid = registered.find((v: { modality: string }) => v.modality === 'CT').guid
  const as = async (user: User) => {
    const session = await openSession(await loadConfig({ config: grid.users[user].config }, {}))
    sessions.push(session)
    return session
  }
  return { grid, guid, as }
}

/** Counts what a session receives from the site from now on: bytes of container bodies, and how many answers. */
export function countBytes(session: Session): { bytes: number; answers: number } {
  const count = { bytes: 0, answers: 0 }
  const stream = session.site.stream.bind(session.site)
  session.site.stream = async (...request) => {
    const reply = await stream(...request)
    count.answers++
    const counted = async function* () {
      for await (const chunk of reply.body) {
        count.bytes += chunk.length
        yield chunk
      }
    }
    return { ...reply, body: counted() }
  }
  return count
}
