import { z } from 'zod'
import { MdmError } from '@mdm/core/errors'
import type { AuditReport, Checkpoint } from '../audit/verify.ts'
import { optional, print, type Command, type Values } from './command.ts'

/** Looks whether an audit log was altered. */
export const auditVerify: Command = {
  words: 'audit verify',
  usage: '(--config FILE | --file LOG) [--from-checkpoint SEQ:HASH] [--json]',
  summary: 'look whether the audit log was altered; it may be in use',
  example: 'audit verify --config site.json',
  options: {
    config: { type: 'string' },
    file: { type: 'string' },
    'from-checkpoint': { type: 'string' },
    json: { type: 'boolean' },
  },
  async run(values) {
    const { parseCheckpoint, verifyAudit } = await import('../audit/verify.ts')
    const since = optional(values, 'from-checkpoint')
    const report = await verifyAudit(
      await logOf(values),
      since === undefined ? undefined : parseCheckpoint(since),
    )
    print(values.json === true ? JSON.stringify(jsonOf(report)) : textOf(report))
    if (report.fault !== undefined) throw new MdmError('MDM_INTEGRITY', report.fault.message)
  },
}

async function logOf(values: Values): Promise<string> {
  const [config, file] = [optional(values, 'config'), optional(values, 'file')]
  if ((config === undefined) === (file === undefined))
    throw new MdmError('MDM_USAGE', 'one of --config and --file is needed')
  if (file !== undefined) return file
  const { readConfig } = await import('../config.ts')
  const read = await readConfig(config!, z.object({ audit: z.string().min(1) }))
  return read.path(read.config.audit)
}

function jsonOf({ records, head, times, tornBytes, fault }: AuditReport): object {
  return {
    verified: fault === undefined,
    records,
    ...(head === undefined ? {} : { head: nameOf(head) }),
    ...(times === undefined ? {} : { first: times[0], last: times[1] }),
    tornBytes,
    ...(fault === undefined ? {} : { fault }),
  }
}

function textOf({ records, head, times, tornBytes, fault }: AuditReport): string {
  return [
    `${records} records follow each other${times === undefined ? '' : `, from ${times[0]} to ${times[1]}`}`,
    ...(head === undefined ? [] : [`head ${nameOf(head)}`]),
    ...(tornBytes === 0
      ? []
      : [`${tornBytes} bytes at the end are no whole record: being written, or left by a crash`]),
    ...(fault === undefined ? [] : [`record ${fault.seq}: ${fault.what}`]),
  ].join('\n')
}

function nameOf({ seq, hash }: Checkpoint): string {
  return `${seq}:${hash}`
}
