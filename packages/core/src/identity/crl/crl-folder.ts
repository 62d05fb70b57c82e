import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MdmError } from '../../errors.ts'
import type { FileFault } from '../file-fault.ts'
import type { UserCa } from '../issued.ts'
import { lookAtFile } from '../look-at-file.ts'
import { openPolicies } from '../signing-policy/policies.ts'
import { crlsIn } from './crl-text.ts'
import { MAX_CRL, openCrl, readCrl, type Crl, type UnverifiedCrl } from './read-crl.ts'
import { holdLists, NO_LISTS, type Revocations } from './revocations.ts'

/** Names that may hold a list: HASH.r0 as OpenSSL and grid software call them, or anything that ends so. */
const NAME = /^(?!\.)(?:[0-9a-f]{8}\.r[0-9]{1,2}|.{1,200}\.(?:crl|pem))$/
const MAX_FILES = 512
/** PEM is a third longer than DER. */
const MAX_FILE = 2 * MAX_CRL
/** Clocks of a CA and of a server differ. */
const SKEW_MS = 5 * 60_000

/** The revocation lists of a folder; what was once in force stays so until a newer list comes or it ends. */
export interface CrlFolder extends Revocations {
  /** Reads what changed in the folder, and holds it against the CAs of today. Never throws. */
  refresh(cas: readonly UserCa[], now: Date): Promise<void>
  /** files that should hold a list in force or a signing policy and do not, and the folder itself when it cannot be read */
  readonly faults: readonly FileFault[]
  /** lists of CAs that no roster names */
  readonly foreign: readonly string[]
  listOf(ca: UserCa): Crl | undefined
  /** CAs whose list is missing or past its end: nobody of them is let in */
  without(cas: readonly UserCa[], now: Date): UserCa[]
}

interface ReadFile {
  readonly version: string
  readonly lists: readonly UnverifiedCrl[]
  readonly fault?: string
}

/**
 * @param dir path of the folder; undefined where none is configured, and then nothing is ever revoked
 * @param o   `graceHours` is how long a list counts after its end, 0 unless told
 */
export function openCrlFolder(
  dir: string | undefined,
  o: { graceHours?: number | undefined } = {},
): CrlFolder {
  if (dir === undefined)
    return {
      ...NO_LISTS,
      ...{ faults: [], foreign: [] },
      refresh: async () => undefined,
      listOf: () => undefined,
      without: () => [],
    }
  const policies = openPolicies(dir)
  const held = holdLists((o.graceHours ?? 0) * 3_600_000)
  const verified = new WeakMap<UnverifiedCrl, Map<UserCa['certificate'], Crl | MdmError>>()
  let files = new Map<string, ReadFile>()
  let faults: FileFault[] = []
  let foreign: string[] = []

  /** Verified once for each CA certificate, however often it is asked. */
  const read = (list: UnverifiedCrl, ca: UserCa): Crl | MdmError => {
    const known = verified.get(list) ?? new Map<UserCa['certificate'], Crl | MdmError>()
    verified.set(list, known)
    const result = known.get(ca.certificate) ?? tryTo(() => readCrl(list, ca))
    known.set(ca.certificate, result)
    return result
  }
  /** Holds a list if a CA signed it. @returns what is wrong with it, or undefined */
  const take = (list: UnverifiedCrl, cas: readonly UserCa[], now: Date): string | undefined => {
    let fault: string | undefined
    for (const ca of cas) {
      const result = read(list, ca)
      if (result instanceof MdmError) fault ??= result.message
      else if (result.thisUpdate.getTime() > now.getTime() + SKEW_MS)
        return `not good before ${result.thisUpdate.toISOString()}`
      else return void held.hold(ca, result)
    }
    return fault
  }
  return {
    ...{ requireUnrevoked: held.requireUnrevoked, listOf: held.listOf },
    requireMayName: policies.requireMayName,
    get faults() {
      return [...faults, ...policies.faults]
    },
    get foreign() {
      return foreign
    },
    without: (cas, now) => cas.filter((ca) => !held.isCurrent(ca, now)),
    async refresh(cas, now) {
      try {
        files = await readFolder(dir, files)
        await policies.refresh(cas)
      } catch {
        // Nor are policies looked for: where the folder is gone, none of its files says that there is no policy.
        faults = [{ file: dir, message: 'the folder of revocation lists cannot be read' }]
        return
      }
      const wrong: FileFault[] = []
      const others: string[] = []
      for (const [file, { lists, fault }] of files) {
        if (fault !== undefined) wrong.push({ file, message: fault })
        for (const list of lists) {
          const issuers = cas.filter(({ identity }) => identity.dn === list.issuer)
          const message = take(list, issuers, now)
          if (issuers.length === 0) others.push(file)
          else if (message !== undefined) wrong.push({ file, message })
        }
      }
      faults = wrong
      foreign = others
    },
  }
}

async function readFolder(
  dir: string,
  before: ReadonlyMap<string, ReadFile>,
): Promise<Map<string, ReadFile>> {
  const names = (await readdir(dir)).filter((name) => NAME.test(name)).sort()
  if (names.length > MAX_FILES) throw new MdmError('MDM_CRL', 'too many files')
  const files = new Map<string, ReadFile>()
  for (const name of names) {
    const file = join(dir, name)
    files.set(file, await readOne(file, before.get(file)))
  }
  return files
}

async function readOne(path: string, before: ReadFile | undefined): Promise<ReadFile> {
  return await lookAtFile(path, before, {
    maxBytes: MAX_FILE,
    read(content) {
      const lists = crlsIn(content)
      // A folder of trust anchors has certificates under such names, too.
      if (lists.length === 0 && !path.endsWith('.pem'))
        throw new MdmError('MDM_CRL', 'the file holds no revocation list')
      return { lists: lists.map(openCrl) }
    },
    failed: (error) => ({
      lists: [],
      fault: error instanceof MdmError ? error.message : 'the file cannot be read',
    }),
  })
}

function tryTo(work: () => Crl): Crl | MdmError {
  try {
    return work()
  } catch (error) {
    if (error instanceof MdmError) return error
    throw error
  }
}
