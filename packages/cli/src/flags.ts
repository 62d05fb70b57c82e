import { MdmError } from '@mdm/core/errors'
import type { Cursor } from '@mdm/core/wire/changes'
import { FORMAT_NAMES } from '@mdm/core/volume/formats/names'
import { Flags } from '@oclif/core'

/** Where results go: a file, a folder, or - for stdout. */
export const output = Flags.custom<string>({
  char: 'o',
  helpValue: 'FILE|DIR|-',
  description: 'file, folder (ends in / or exists), or - for stdout',
})

/** What a volume is written as. */
export const format = Flags.option({
  options: FORMAT_NAMES,
  description: 'volume format; guessed from the name given by -o, else nrrd',
})

/** What a get writes: one of the formats, or a DICOM series of many files. */
export const getFormat = Flags.option({
  options: [...FORMAT_NAMES, 'dicom'] as const,
  description:
    'volume format; guessed from the name given by -o, else nrrd. dicom: a folder of de-identified DICOM files for each volume',
})

/** Whether a file says more than its format holds. */
export const sidecar = () =>
  Flags.boolean({
    description:
      'write what is known of the scan beside each file, as JSON in the words of BIDS; nothing that names a person',
  })

/** Where containers are asked for over SRM, and which CAs the storage services there are known by. */
export const storage = {
  srm: Flags.string({
    helpValue: 'SURL',
    description: 'SRM service to fetch containers from, srm://HOST:PORT/srm/managerv2 (MDM_SRM)',
  }),
  'ca-dir': Flags.string({
    helpValue: 'DIR',
    description:
      'folder of the CAs of storage services, HASH.0 and HASH.r0 (X509_CERT_DIR); else /etc/grid-security/certificates',
  }),
}

/** Slices A to B of a volume, 0-based, both included. */
export const slices = Flags.custom<readonly [number, number]>({
  helpValue: 'A-B',
  description: 'only slices A to B, counted from 0, both included',
  parse: async (text) => parseSlices(text),
})

/** Days in the future, as a whole number. */
export const days = (o: { default: number; description: string }) =>
  Flags.integer({ min: 1, max: 36_500, helpValue: 'DAYS', ...o })

/** How long what is delegated lives. */
export const hours = () =>
  Flags.integer({
    min: 1,
    max: 24,
    default: 12,
    helpValue: 'HOURS',
    description: 'how long it is good for, 24 at most; never longer than your own credential',
  })

/** How rows are printed. */
export const rowFormat = Flags.option({
  options: ['table', 'json', 'guids', 'csv'] as const,
  default: 'table',
  description: 'table, json, one GUID a line, or csv',
})

/** @throws MDM_USAGE when the text is not A or A-B with A <= B */
export function parseSlices(text: string): readonly [number, number] {
  const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? match?.[1])
  if (match === null || last < first)
    throw new MdmError('MDM_USAGE', '--slices takes A-B with A <= B, such as 10-20')
  return [first, last]
}

/**
 * A moment given as days or hours from now (30d, 12h) or as an ISO date.
 *
 * @returns ISO date and time, UTC
 * @throws MDM_USAGE
 */
export function parseExpiry(text: string, now: Date): string {
  const span = /^(\d{1,5})([dh])$/.exec(text)
  const ms =
    span === null
      ? Date.parse(text)
      : now.getTime() + Number(span[1]) * (span[2] === 'd' ? 86_400_000 : 3_600_000)
  if (!Number.isFinite(ms) || (span === null && !/^\d{4}-\d{2}-\d{2}/.test(text))) {
    throw new MdmError(
      'MDM_USAGE',
      '--expires takes days or hours from now (30d, 12h) or a date (2027-01-31)',
    )
  }
  if (ms <= now.getTime()) throw new MdmError('MDM_USAGE', '--expires lies in the past')
  return new Date(ms).toISOString()
}

/**
 * Where a list of changes begins: days or hours ago (7d, 12h), an ISO date, or the cursor that an earlier list ended with.
 *
 * @throws MDM_USAGE
 */
export async function parseSince(text: string, now: Date): Promise<{ after: Cursor } | { from: string }> {
  const { Cursor } = await import('@mdm/core/wire/changes')
  const cursor = Cursor.safeParse(text)
  if (cursor.success) return { after: cursor.data }
  const span = /^(\d{1,5})([dh])$/.exec(text)
  const time =
    span === null
      ? Date.parse(text)
      : now.getTime() - Number(span[1]) * (span[2] === 'd' ? 86_400_000 : 3_600_000)
  if (!Number.isFinite(time) || (span === null && !/^\d{4}-\d{2}-\d{2}/.test(text))) {
    const forms = 'days or hours (7d, 12h), a date (2027-01-31), or the cursor of an earlier --changed'
    throw new MdmError('MDM_USAGE', `--since takes ${forms}`)
  }
  return { from: new Date(time).toISOString() }
}

/** @throws MDM_USAGE when the text is neither "all" nor numbers with commas between */
export function parseVersions(text: string): 'all' | number[] {
  if (text === 'all') return 'all'
  const numbers = text
    .split(',')
    .map((part) => (/^[1-9]\d{0,5}$/.test(part.trim()) ? Number(part) : Number.NaN))
  if (numbers.some(Number.isNaN))
    throw new MdmError('MDM_USAGE', '--versions takes "all" or numbers, such as 1,2')
  return [...new Set(numbers)].sort((a, b) => a - b)
}
