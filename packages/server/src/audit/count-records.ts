import type { Audit, AuditEvent } from './audit.ts'

/** Every event that a server writes down, for those who count them; a test finds one that is missing. */
export const AUDIT_EVENTS = [
  'association-refused',
  'catching-up',
  'heads-read',
  'held-keys-read',
  'hook-refused',
  'key-server-fault',
  'metadata-queried',
  'metadata-read',
  'preparation-asked',
  'pseudonym-key-found',
  'pseudonym-key-made',
  'pseudonym-key-split',
  'pseudonyms-renewed',
  'quarantine-dropped',
  'quarantine-ended',
  'quarantine-read',
  'quarantine-released',
  'quarantine-retracted',
  'registration-asked',
  'request-refused',
  'roster-accepted',
  'roster-in-force',
  'series-previewed',
  'series-quarantined',
  'server-started',
  'server-stopped',
  'serving-begins',
  'share-stored',
  'shares-deleted',
  'shares-released',
  'site-recalled',
  'source-refused',
  'source-tested',
  'statement-accepted',
  'statements-caught-up',
  'volume-gone',
  'volume-registered',
  'volume-returned',
  'volume.get',
  'witness-refused',
  'witness-waived',
] as const

/** The same log; `recorded` is told of every event that is on the disk, and of every one that could not be written. */
export function countRecords(audit: Audit, recorded: (event: AuditEvent, written: boolean) => void): Audit {
  return {
    get writable() {
      return audit.writable
    },
    get records() {
      return audit.records
    },
    async record(event) {
      try {
        await audit.record(event)
      } catch (error) {
        recorded(event, false)
        throw error
      }
      recorded(event, true)
    },
    close: () => audit.close(),
  }
}
