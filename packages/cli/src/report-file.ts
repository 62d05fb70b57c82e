import { stat } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import type { RegisterReportFile } from '@mdm/core/register-report'
import type { RegisterQuestion } from '@mdm/core/wire/register'
import type { RegistrationEnd } from './registration-run.ts'

/** Writes what a registration came to, whole or not at all. */
export async function writeReport(
  file: string,
  end: RegistrationEnd,
  of: Pick<RegisterReportFile, 'site' | 'source' | 'filtered' | 'began'>,
): Promise<void> {
  const [{ writeWhole }, { countOutcomes, RegisterReportFile }] = await Promise.all([
    import('@mdm/core/access/whole-file'),
    import('@mdm/core/register-report'),
  ])
  const { complete, outcomes, error } = end
  const { outcomes: _, ...head } = RegisterReportFile.parse({
    ...{ format: 'mdm-register-report', version: 1, ...of, ended: new Date().toISOString(), complete },
    ...(error instanceof MdmError ? { code: error.code } : {}),
    ...{ counts: countOutcomes(outcomes), outcomes: [] },
  })
  await writeWhole(file, lines(head, outcomes))
}

/** One outcome on a line, so that it need not be held as one text, and a person finds his way. */
async function* lines(head: object, outcomes: RegistrationEnd['outcomes']): AsyncGenerator<Buffer> {
  yield Buffer.from(`${JSON.stringify(head).slice(0, -1)},"outcomes":[`)
  for (const [i, outcome] of outcomes.entries())
    yield Buffer.from(`${i === 0 ? '' : ','}\n${JSON.stringify(outcome)}`)
  yield Buffer.from('\n]}\n')
}

/**
 * What is to be tried again of an earlier report, as questions of bounded size.
 *
 * @throws MDM_USAGE when it is no report, is too large, or is of another site
 */
export async function questionsAgain(
  file: string,
  o: { site: string; read: (file: string) => Promise<string> },
): Promise<RegisterQuestion[]> {
  const [{ againOf, MOST_REPORT_CHARACTERS, RegisterReportFile }, { NAMED_AT_ONCE }] = await Promise.all([
    import('@mdm/core/register-report'),
    import('@mdm/core/wire/register'),
  ])
  if ((await stat(file)).size > MOST_REPORT_CHARACTERS)
    throw new MdmError('MDM_USAGE', 'the report is larger than any that MDM writes')
  const report = RegisterReportFile.safeParse(parseJson(await o.read(file)))
  if (!report.success) throw new MdmError('MDM_USAGE', 'the file is not a report of "mdm register"')
  if (report.data.site !== o.site) throw new MdmError('MDM_USAGE', 'the report is of another site')
  const series = againOf(report.data)
  return Array.from({ length: Math.ceil(series.length / NAMED_AT_ONCE) }, (_, i) => ({
    series: series.slice(i * NAMED_AT_ONCE, (i + 1) * NAMED_AT_ONCE),
  }))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
