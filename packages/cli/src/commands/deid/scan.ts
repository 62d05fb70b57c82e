import { MdmError } from '@mdm/core/errors'
import type { Finding } from '@mdm/core/scan/scan-files'
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'

/** A finding as it is told. */
interface Told {
  readonly path: string
  readonly inside: Finding['inside']
  readonly offset: number
  readonly rule: string
  /** line of the canary file */
  readonly line?: number
  readonly encoding?: string
  readonly text?: string
}

/** More than anybody reads; the rest is counted. */
const MOST_TOLD = 10_000
/** A canary is a word or a line, not a document. */
const CANARY = { least: 4, most: 256 }

/** Does anything in these files name a patient? Asked by rules that de-identification knows nothing of. */
export default class DeidScan extends BaseCommand {
  static override summary = 'look in files for planted texts and for what may name a patient'
  static override description = [
    'Reads any bytes: volumes, sidecars, DICOM, logs, containers; also what gzip packs, and names of files and folders. --canary gives texts',
    'that were planted, one a line; each is looked for in UTF-8, UTF-16, the character sets of DICOM, JSON escapes, base64 and hex. Without',
    '--no-patterns also for what names somebody by its form: DICOM patient elements, names with ^, dates, UIDs, accession numbers,',
    'telephone numbers, e-mail addresses, IBAN, NIR, SSN, NHS numbers. That nothing is found proves nothing about pixels. Told are file, offset and rule,',
    'the text only with --show. Exit code 9 when something is found. Needs no configuration and no network.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> get GUID -o volume.nii.gz && <%= config.bin %> <%= command.id %> volume.nii.gz',
    '<%= config.bin %> <%= command.id %> CONTAINER --canary CANARIES --json',
  ]
  static override args = {
    path: Args.string({
      required: true,
      multiple: true,
      ignoreStdin: true,
      description: 'files and folders',
    }),
  }
  static override flags = {
    canary: Flags.string({ helpValue: 'FILE', description: 'texts to look for, one a line' }),
    patterns: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'also look for what names somebody by its form',
    }),
    show: Flags.boolean({ description: 'print what was found: it may be patient data' }),
  }

  async run(): Promise<{ files: number; bytes: number; count: number; findings: Told[] }> {
    const { args, flags } = await this.parse(DeidScan)
    const canaries = flags.canary === undefined ? [] : await this.canaries(flags.canary)
    if (canaries.length === 0 && !flags.patterns)
      throw new MdmError('MDM_USAGE', 'nothing to look for: give --canary, or leave --no-patterns out')
    const [{ needlesOf }, { scanPaths }] = await Promise.all([
      import('@mdm/core/scan/needles'),
      import('@mdm/core/scan/scan-files'),
    ])
    const needles = needlesOf(canaries.map(({ text }) => text))
    const report = { files: 0, bytes: 0, count: 0, findings: [] as Told[] }
    const scanned = (_path: string, bytes: number) => {
      report.files++
      report.bytes += bytes
    }
    const options = { needles, patterns: flags.patterns, signal: this.signal, scanned }
    for await (const finding of scanPaths(args.path, options)) {
      const told = tell(finding, canaries, flags.show)
      if (report.count++ < MOST_TOLD) report.findings.push(told)
      this.print(`${line(told)}\n`)
    }
    this.talk(`${report.files} files, ${report.bytes} bytes: ${report.count} found`)
    if (report.count > 0) process.exitCode = new MdmError('MDM_PRIVACY_HELD').exitCode
    return report
  }

  private async canaries(file: string): Promise<{ text: string; line: number }[]> {
    const lines = (await this.readText(file)).split(/\r?\n/).map((text, i) => ({ text, line: i + 1 }))
    const wrong = lines.find(({ text }) => text !== '' && !fits(text))
    if (wrong !== undefined) {
      const { least, most } = CANARY
      throw new MdmError(
        'MDM_USAGE',
        `line ${wrong.line} of the canaries is not of ${least} to ${most} bytes`,
      )
    }
    return lines.filter(({ text }) => text !== '')
  }
}

function fits(text: string): boolean {
  const bytes = Buffer.byteLength(text)
  return bytes >= CANARY.least && bytes <= CANARY.most
}

function tell(finding: Finding, canaries: readonly { line: number }[], show: boolean): Told {
  const { path, inside, offset, rule, canary, encoding, bytes } = finding
  return {
    ...{ path, inside, offset, rule },
    ...(canary === undefined ? {} : { line: canaries[canary]!.line }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(show ? { text: bytes.toString(encoding === 'utf-8' ? 'utf8' : 'latin1') } : {}),
  }
}

/** One finding for a terminal, which obeys control characters. */
function line({ path, inside, offset, rule, line: of, encoding, text }: Told): string {
  const what = of === undefined ? rule : `${rule} of line ${of} as ${encoding}`
  const where =
    inside === 'file'
      ? `byte ${offset}`
      : `byte ${offset} of its ${inside === 'name' ? 'name' : 'gzip content'}`
  const shown = text === undefined ? '' : `: ${text}`
  return `${path}: ${where}: ${what}${shown}`.replace(/\p{Cc}/gu, '?')
}
