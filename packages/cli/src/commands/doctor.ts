import type { Finding } from '@mdm/core/findings'
import { BaseCommand } from '../base-command.ts'
import { storage } from '../flags.ts'

/** The same shape as that of `mdm-server check --json`. */
interface Diagnosis {
  readonly kind: 'client'
  readonly faults: number
  readonly warnings: number
  readonly findings: readonly Finding[]
}

/** The client's side of `mdm-server check`. */
export default class Doctor extends BaseCommand {
  static override summary = 'say what is wrong here, and the command that mends it'
  static override description = [
    'Looks at the configuration, the roster, your certificate and key, the clock, the site, the key servers, the SRM service and the',
    'folder of CAs where one is configured, and the current folder, and changes nothing. Exit code 10 when something is a fault; warnings leave it 0.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
    '<%= config.bin %> <%= command.id %> --srm SRM --ca-dir CERTIFICATES',
  ]
  static override flags = storage

  async run(): Promise<Diagnosis> {
    const { flags } = await this.parse(Doctor)
    const [{ diagnose }, { exitCodeOf, findingLines }] = await Promise.all([
      import('../doctor/diagnose.ts'),
      import('@mdm/core/findings'),
    ])
    const findings = await diagnose(flags, { folder: process.cwd() })
    const count = (level: Finding['level']) => findings.filter((f) => f.level === level).length
    const [faults, warnings] = [count('fault'), count('warn')]
    this.print([...findingLines(findings), `${faults} faults, ${warnings} warnings`].join('\n'))
    process.exitCode = exitCodeOf(findings)
    return { kind: 'client', faults, warnings, findings }
  }
}
