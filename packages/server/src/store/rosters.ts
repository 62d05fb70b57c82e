import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { peekJws } from '@mdm/core/crypto/jws'
import { MdmError } from '@mdm/core/errors'
import { acceptRoster, rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'

/** The rosters an operator trusts, in a folder of files SITE.SEQ.jws: accepted ones only, every one since the first. */
export interface Rosters {
  /** the newest roster of every site */
  current(): readonly TrustedRoster[]
  of(site: string): TrustedRoster | undefined
  /** the texts of a site's rosters in order, from seq `since` on */
  texts(site: string, since: number): string[]
  /**
   * Accepts a later roster that is signed and chained and needs no operator.
   *
   * @param o `before` runs when it is verified and not yet kept; if it throws, the roster is not accepted
   * @throws MDM_ROSTER when it is not; MDM_NOT_FOUND when no roster of its site was ever trusted
   */
  offer(jws: string, o?: AcceptOptions): Promise<TrustedRoster>
  /**
   * Accepts a roster by its fingerprint, which the operator got out of band.
   *
   * @throws MDM_ROSTER when the fingerprint is another one or the roster does not follow
   */
  trust(jws: string, fingerprint: string): Promise<TrustedRoster>
  /** Reads the folder again if another process changed it. */
  refresh(): Promise<void>
  /** False while the folder holds something that does not follow, or lacks a roster in force; the last good rosters stay in force. */
  readonly readable: boolean
}

export interface AcceptOptions {
  before?(roster: TrustedRoster): Promise<void>
}

const FILE = /^([a-z0-9][a-z0-9-]{0,31})\.([1-9][0-9]{0,8})\.jws$/

/**
 * Reads the folder, made with mode 0700 when absent, and verifies every chain of rosters again.
 *
 * @throws MDM_ROSTER when a file does not follow from the one before
 */
export async function openRosters(dir: string): Promise<Rosters> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const chains = new Map<string, TrustedRoster[]>()
  let readAt = Number.NaN
  let readable = true
  let queue: Promise<unknown> = Promise.resolve()

  const read = async (): Promise<void> => {
    const { mtimeMs } = await stat(dir)
    if (mtimeMs === readAt) return
    const found = await readChains(dir)
    for (const [site, held] of chains) requireGoesOn(held, found.get(site))
    for (const [site, chain] of found) chains.set(site, chain)
    readAt = mtimeMs
  }
  /** One at a time, so that two offers cannot both follow the same roster. */
  const accept = (jws: string, o: AcceptOptions & { fingerprint?: string }): Promise<TrustedRoster> => {
    const next = queue.then(async () => {
      await read()
      const { site } = peekJws(jws).payload as { site?: unknown }
      const chain = chains.get(String(site)) ?? []
      const known = chain.find((roster) => roster.jws === jws)
      const { fingerprint } = o
      if (known !== undefined) return await acceptRoster(known, jws, { fingerprint })
      if (chain.length === 0 && fingerprint === undefined) throw new MdmError('MDM_NOT_FOUND')
      const accepted = await acceptRoster(chain.at(-1), jws, { fingerprint })
      await o.before?.(accepted)
      await writeDurably(dir, `${accepted.body.site}.${accepted.body.seq}.jws`, jws)
      chains.set(accepted.body.site, [...chain, accepted])
      return accepted
    })
    queue = next.catch(() => undefined)
    return next
  }

  await read()
  return {
    current: () => [...chains.values()].map((chain) => chain.at(-1)!),
    of: (site) => chains.get(site)?.at(-1),
    texts: (site, since) => (chains.get(site) ?? []).filter((r) => r.body.seq >= since).map((r) => r.jws),
    offer: (jws, o = {}) => accept(jws, o),
    trust: (jws, fingerprint) => accept(jws, { fingerprint }),
    async refresh() {
      // In turn with offers, so that what the folder was before one cannot come back after it.
      const next = queue.then(read)
      queue = next.catch(() => undefined)
      readable = await next.then(
        () => true,
        () => false,
      )
    },
    get readable() {
      return readable
    },
  }
}

/** The CAs of users of every site that is trusted here. */
export function userCasOf(rosters: Pick<Rosters, 'current'>): TrustedRoster['userCas'] {
  return rosters.current().flatMap(({ userCas }) => userCas)
}

/** An older roster in the folder of a server that runs is a roll-back: the keys it names again were taken away for a reason. */
function requireGoesOn(held: readonly TrustedRoster[], found: readonly TrustedRoster[] = []): void {
  const last = held.at(-1)!
  if (found[held.length - 1]?.digest !== last.digest)
    throw new MdmError('MDM_ROSTER', 'a roster in force is no longer in its folder')
}

async function readChains(dir: string): Promise<Map<string, TrustedRoster[]>> {
  const files = (await readdir(dir)).flatMap((name) => {
    const [, site, seq] = FILE.exec(name) ?? []
    return site === undefined ? [] : [{ name, site, seq: Number(seq) }]
  })
  files.sort((a, b) => a.seq - b.seq)
  const chains = new Map<string, TrustedRoster[]>()
  for (const { name, site } of files) {
    const jws = (await readFile(join(dir, name), 'utf8')).trim()
    const chain = chains.get(site) ?? []
    // A file of this folder was accepted once, if need be by its fingerprint; signature, seq and prev are verified again.
    const roster = await acceptRoster(chain.at(-1), jws, { fingerprint: rosterFingerprint(jws) })
    if (roster.body.site !== site)
      throw new MdmError('MDM_ROSTER', 'a roster lies under the name of another site')
    chains.set(site, [...chain, roster])
  }
  return chains
}

/** Writes a whole file or none, on the disk when it resolves. @throws MDM_STORE when the disk does not take it */
async function writeDurably(dir: string, name: string, text: string): Promise<void> {
  const part = join(dir, `.${name}.part`)
  try {
    const file = await open(part, 'w', 0o600)
    try {
      await file.writeFile(`${text}\n`)
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(part, join(dir, name))
    const folder = await open(dir, 'r')
    await folder.datasync().finally(() => folder.close())
  } catch (cause) {
    throw new MdmError('MDM_STORE', 'the folder of rosters cannot be written now', { cause })
  }
}
