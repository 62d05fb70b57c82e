import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { grant, revoke } from '@mdm/core/access/acl'
import { decryptFile, openVolume } from '@mdm/core/access/decrypt'
import { list, query } from '@mdm/core/access/metadata'
import { saveVolume } from '@mdm/core/access/save'
import type { Session } from '@mdm/core/access/session'
import { MdmError } from '@mdm/core/errors'
import type { Guid } from '@mdm/core/names'
import { registerAll } from '../../server/site-grid.ts'
import type { Random } from '../../fixtures/random.ts'
import type { Ledger } from './ledger.ts'

export interface LoadOptions {
  readonly ledger: Ledger
  /** opens one more session of a user */
  as(user: 'admin' | 'stranger'): Promise<Session>
  /** folder for files */
  readonly dir: string
  readonly random: Random
  readonly running: () => boolean
}

const SMALL = { columns: 64, rows: 48, slices: 8 }
const RETRIES = 4
/** What a change of lists may meet that another try mends; the granter is the only one who changes them. */
const OF_CHANGES = ['MDM_PARTIAL', 'MDM_STATEMENT_STALE']

/** Clients of every kind until `running` ends: gets at three levels, queries, grants and revokes, registrations. */
export async function load(o: LoadOptions): Promise<void> {
  const { ledger } = o
  const one = (): Guid => {
    const guids = [...ledger.acknowledged.keys()]
    return guids[o.random(guids.length)]!
  }
  const save = async (session: Session, guid: Guid, path: string, level: 'raw' | 'decrypt') =>
    await saveVolume(session, { guid }, { level, format: 'nrrd', path, retries: RETRIES })
  const workers: Record<string, { pause: number; work(session: Session, path: string): Promise<void> }> = {
    ...Object.fromEntries(
      [1, 2, 3].map((i) => [
        `get ${i}`,
        {
          pause: 150,
          async work(session: Session, path: string) {
            const guid = one()
            await save(session, guid, path, 'decrypt')
            await ledger.got(guid, path)
            await rm(path)
            ledger.count('gets, decrypted')
          },
        },
      ]),
    ),
    'get raw': {
      pause: 300,
      async work(session, path) {
        const guid = one()
        await save(session, guid, path, 'raw')
        const volume = await decryptFile(session, path)
        const { headerBytes, plaintextBytes } = volume
        try {
          ledger.check(guid, await volume.read(headerBytes, plaintextBytes - headerBytes))
        } finally {
          await volume.close()
        }
        await rm(path)
        ledger.count('gets, raw')
      },
    },
    'get slices': {
      pause: 300,
      async work(session) {
        const guid = one()
        const volume = await openVolume(session, { guid })
        try {
          const slices: Buffer[] = []
          for (let k = 0; k < volume.volume.slices; k++) slices.push(await volume.slice(k))
          ledger.check(guid, Buffer.concat(slices))
        } finally {
          await volume.close()
        }
        ledger.count('gets, slice by slice')
      },
    },
    query: {
      pause: 400,
      async work(session) {
        const before = new Map(ledger.acknowledged)
        const rows = new Map<Guid, string>()
        for await (const { guid, lfn } of list(session)) {
          if (rows.has(guid)) ledger.violation(`doubled: ${guid} is listed twice`)
          rows.set(guid, lfn)
        }
        for (const [guid, lfn] of before)
          if (rows.get(guid) !== lfn) ledger.violation(`lost: ${guid} was acknowledged and is not listed`)
        await query(session, 'modality=CT')
        ledger.count('queries')
      },
    },
    register: {
      pause: 2_500,
      async work(session) {
        await ledger.addSeries(SMALL)
        await register(session, ledger)
      },
    },
  }
  await Promise.all([
    ...Object.entries(workers).map(async ([name, { pause, work }]) => {
      const session = await o.as('admin')
      const path = join(o.dir, name.replaceAll(' ', '-'))
      while (o.running()) {
        await work(session, path).catch((error: unknown) => ledger.failed(name.replace(/ \d$/, ''), error))
        await sleep(pause)
      }
      await session.close()
    }),
    changeAccess(o, one),
  ])
}

/** Registers what is there; every acknowledged volume goes into the ledger. */
export async function register(session: Session, ledger: Ledger): Promise<boolean> {
  const events = await registerAll(session)
  for (const event of events) {
    if (event.type !== 'registered') continue
    const { guid, lfn, version } = event.volume
    if (version !== 1) ledger.violation(`doubled: version ${version} of ${guid}`)
    ledger.acknowledged.set(guid, lfn)
    ledger.count('registrations')
  }
  const last = events.at(-1)
  if (last?.type === 'error') throw new MdmError(last.code as 'MDM_STORE', last.message)
  if (last?.type === 'done' && last.report.refused.length > 0) ledger.violation('a good series was refused')
  return last?.type === 'done'
}

/** One administrator grants and revokes; what was confirmed must hold for the stranger at once. */
async function changeAccess(o: LoadOptions, one: () => Guid): Promise<void> {
  const { ledger } = o
  const [admin, stranger] = [await o.as('admin'), await o.as('stranger')]
  const { dn, issuer } = stranger.credential.identity
  const to = { kind: 'user', dn, issuer } as const
  const until = async (what: string, work: () => Promise<unknown>): Promise<boolean> => {
    for (let tries = 0; tries < 60 && o.running(); tries++) {
      try {
        await work()
        ledger.count(what)
        return true
      } catch (error) {
        ledger.failed(what, error, OF_CHANGES)
        await sleep(500)
      }
    }
    return false
  }
  const reads = async (guid: Guid): Promise<string | undefined> => {
    try {
      const volume = await openVolume(stranger, { guid })
      await volume.close()
      return undefined
    } catch (error) {
      return error instanceof MdmError ? error.code : String(error)
    }
  }
  const refusals = ['MDM_NOT_FOUND', 'MDM_DENIED']
  while (o.running()) {
    const guid = one()
    if (await until('grants', () => grant(admin, guid, { to, preset: 'process', versions: 'all' }))) {
      const code = await reads(guid)
      if (code !== undefined && refusals.includes(code))
        ledger.violation(`lost: a confirmed grant on ${guid}: ${code}`)
    }
    if (await until('revokes', () => revoke(admin, guid, { from: to }))) {
      if ((await reads(guid)) === undefined) ledger.violation(`a confirmed revoke on ${guid} does not hold`)
    }
    await sleep(500)
  }
  await Promise.all([admin.close(), stranger.close()])
}
