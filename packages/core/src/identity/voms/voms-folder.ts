import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MdmError } from '../../errors.ts'
import type { FileFault } from '../file-fault.ts'
import { lookAtFile } from '../look-at-file.ts'
import { verdictsOn, type Verdict } from './attributes.ts'
import { MAX_LSC, readLsc, type VomsServerName } from './lsc.ts'
import { isHostName, isVoName } from './vo-names.ts'
import { NO_VOMS, type VomsServers } from './voms-servers.ts'

const MAX_FILES = 2_048
/** FQANs of one caller, each of which is compared with lists and written into records. */
const MAX_FQANS = 64
const ENDING = '.lsc'

/** A VOMS server whose word counts for one VO. */
export interface TrustedVomsServer {
  readonly file: string
  readonly vo: string
  readonly host: string
  /** how its certificate may be called */
  readonly names: readonly VomsServerName[]
}

/** The VOMS servers of a folder `VO/HOST.lsc`, as grid software calls them. */
export interface VomsFolder extends VomsServers {
  /** Reads what changed in the folder. Never throws: what cannot be read is not trusted from then on. */
  refresh(): Promise<void>
  readonly faults: readonly FileFault[]
  readonly servers: readonly TrustedVomsServer[]
  /** Each attribute certificate of a chain and why it does not count: for the operator, never for who shows it. */
  explain(...asked: Parameters<VomsServers['fqansOf']>): Verdict[]
}

interface ReadFile {
  readonly version: string
  readonly server?: TrustedVomsServer
  readonly fault?: string
}

const NOBODY = { ...NO_VOMS, faults: [], servers: [], explain: () => [] }

/** @param dir path of the folder; undefined where none is configured, and then nobody has attributes */
export function openVomsFolder(dir: string | undefined): VomsFolder {
  if (dir === undefined) return { ...NOBODY, refresh: async () => undefined }
  let files: ReadonlyMap<string, ReadFile> = new Map()
  let servers: readonly TrustedVomsServer[] = []
  let faults: readonly FileFault[] = []
  let names = new Map<string, readonly VomsServerName[]>()
  const explain: VomsFolder['explain'] = (chain, roster, now, revocations) =>
    verdictsOn(chain, {
      names: (vo, host) => names.get(keyOf(vo, host)) ?? [],
      ...{ roster, now, revocations },
    })
  return {
    get faults() {
      return faults
    },
    get servers() {
      return servers
    },
    async refresh() {
      const wrong: FileFault[] = []
      files = await readFolder(dir, files, wrong)
      for (const [file, { fault }] of files) if (fault !== undefined) wrong.push({ file, message: fault })
      servers = [...files.values()].flatMap(({ server }) => (server === undefined ? [] : [server]))
      // Names of an attribute certificate are looked up here and never become a path.
      names = new Map(servers.map((server) => [keyOf(server.vo, server.host), server.names]))
      faults = wrong
    },
    explain,
    fqansOf(...asked) {
      const holding = explain(...asked).filter(({ refusal }) => refusal === undefined)
      return [...new Set(holding.flatMap(({ attributes }) => attributes?.fqans ?? []))].slice(0, MAX_FQANS)
    },
  }
}

const keyOf = (vo: string, host: string): string => `${vo}/${host.toLowerCase()}`

async function readFolder(
  dir: string,
  before: ReadonlyMap<string, ReadFile>,
  wrong: FileFault[],
): Promise<Map<string, ReadFile>> {
  const files = new Map<string, ReadFile>()
  for (const vo of await namesIn(dir, wrong)) {
    // Beside the folders of VOs, grid software keeps certificates of VOMS servers.
    if (!isVoName(vo.name) || !vo.isFolder) continue
    for (const { name, isFolder } of await namesIn(join(dir, vo.name), wrong)) {
      if (isFolder || !name.endsWith(ENDING)) continue
      const file = join(dir, vo.name, name)
      if (files.size === MAX_FILES) {
        wrong.push({ file: dir, message: 'the folder holds too many files' })
        return new Map()
      }
      files.set(file, await readOne(file, vo.name, name.slice(0, -ENDING.length), before.get(file)))
    }
  }
  return files
}

async function namesIn(
  dir: string,
  wrong: FileFault[],
): Promise<readonly { name: string; isFolder: boolean }[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true })
    entries.sort((a, b) => (a.name < b.name ? -1 : 1))
    return await Promise.all(
      entries.map(async (entry) => ({
        name: entry.name,
        isFolder: entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(join(dir, entry.name)))),
      })),
    )
  } catch {
    wrong.push({ file: dir, message: 'the folder of VOMS servers cannot be read' })
    return []
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

async function readOne(
  path: string,
  vo: string,
  host: string,
  before: ReadFile | undefined,
): Promise<ReadFile> {
  if (!isHostName(host)) return { version: '', fault: 'the file is not named by a host' }
  return await lookAtFile<ReadFile>(path, before, {
    maxBytes: MAX_LSC,
    read: (content) => ({
      server: { file: path, vo, host: host.toLowerCase(), names: readLsc(content.toString('utf8')) },
    }),
    failed: (error) => ({ fault: error instanceof MdmError ? error.message : 'the file cannot be read' }),
  })
}
