import { open } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { readAuditChain } from '../audit/chain.ts'
import type { Collector } from './findings.ts'

/** The audit log: does every line follow, and is the last one whole. A server that runs may be writing it at this moment. */
export async function checkAudit(file: string, to: Collector): Promise<void> {
  const handle = await open(file, 'r').catch(() => undefined)
  if (handle === undefined) return to.find('audit-missing', 'the log')
  try {
    const { mode, size } = await handle.stat()
    if ((mode & 0o077) !== 0) to.find('file-mode', 'the audit log')
    const { head } = await readAuditChain(handle, 1)
    to.look('audit records', head.seq)
    if (size > head.bytes) to.find('audit-torn', `line ${head.seq + 1}`)
  } catch (error) {
    if (!(error instanceof MdmError) || error.code !== 'MDM_INTEGRITY') throw error
    const [line] = /line [0-9]+/.exec(error.message) ?? ['the log']
    to.find('audit-broken', line)
  } finally {
    await handle.close()
  }
}
