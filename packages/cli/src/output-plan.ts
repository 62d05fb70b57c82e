import { stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import { EXTENSIONS, FORMAT_NAMES, type FormatName } from '@mdm/core/volume/formats/names'

export type Level = 'raw' | 'decrypt'

/** What -o, --level and --format mean together. */
export interface OutputPlan {
  readonly level: Level
  readonly format: FormatName
  /** `-` for stdout, a file, or a folder to be filled */
  readonly kind: 'stdout' | 'file' | 'folder'
  /** File or folder; made if it is a folder. */
  readonly path: string
}

/**
 * Decides where volumes go and as what, before anything is fetched.
 *
 * @param count how many volumes there are: several need a folder
 * @throws MDM_USAGE
 */
export async function planOutput(
  count: number,
  o: {
    output?: string | undefined
    level?: Level | undefined
    format?: FormatName | undefined
    sliced: boolean
  },
): Promise<OutputPlan> {
  const target = o.output ?? './'
  const kind =
    target === '-' ? 'stdout' : target.endsWith('/') || (await isFolder(target)) ? 'folder' : 'file'
  const guess = kind === 'file' ? guessFrom(target) : {}
  const decrypting = o.format !== undefined || o.sliced
  const level = o.level ?? (decrypting ? 'decrypt' : (guess.level ?? 'decrypt'))
  if (level === 'raw' && decrypting) {
    throw new MdmError(
      'MDM_USAGE',
      'a raw container has no --format and no --slices: those need --level decrypt',
    )
  }
  if (kind !== 'folder' && count > 1)
    throw new MdmError('MDM_USAGE', `${count} volumes need a folder: end the name given to -o with /`)
  if (kind === 'file' && !(await isFolder(dirname(target))))
    throw new MdmError('MDM_USAGE', 'the folder named by -o does not exist')
  return { level, format: o.format ?? guess.format ?? 'nrrd', kind, path: target }
}

/** The path of one volume under a plan; `stem` names it inside a folder. */
export function pathOf(plan: OutputPlan, stem: string): string {
  if (plan.kind !== 'folder') return plan.path
  return join(plan.path, `${basename(stem)}${plan.level === 'raw' ? RAW : EXTENSIONS[plan.format]}`)
}

/** What a container is called. */
const RAW = '.mdm'
/** Endings of formats that are not written, so that a file is not called what it is not. */
const NOT_WRITTEN = ['.gz', '.nhdr', '.mhd', '.img', '.hdr', '.dcm']

function guessFrom(file: string): { level?: Level; format?: FormatName } {
  const name = file.toLowerCase()
  if (name.endsWith(RAW)) return { level: 'raw' }
  const format = FORMAT_NAMES.find((f) => name.endsWith(EXTENSIONS[f]))
  if (format !== undefined) return { format }
  const extension = extname(name)
  if (NOT_WRITTEN.includes(extension)) {
    const written = Object.values(EXTENSIONS).join(', ')
    throw new MdmError('MDM_USAGE', `${extension} is not written: the name ends in ${written}`)
  }
  return {}
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  )
}
