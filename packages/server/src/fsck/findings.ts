import { fault, warn, type Finding } from '@mdm/core/findings'

/**
 * What fsck can find: what it means, and what to do about it; docs/server.md lists them. A `warn` mends itself, or may be nothing.
 */
export const FINDINGS = {
  'version-missing': [
    'fault',
    'a volume has no row for one of its versions',
    'restore the database from a backup',
  ],
  'version-altered': ['fault', 'the row of a version does not add up', 'restore the database from a backup'],
  'slices-missing': [
    'fault',
    'a version has other slices than its shape says',
    'restore the database from a backup',
  ],
  'set-altered': [
    'fault',
    'a version of a set does not add up, or names a volume that is not there',
    'restore the database from a backup',
  ],
  'replica-missing': ['fault', 'a volume has no SURL', 'restore the database from a backup'],
  'table-row-missing': [
    'fault',
    'a version has no row in a metadata table',
    'restore the database from a backup',
  ],
  'manifest-missing': ['fault', 'a version has no key manifest', 'restore the database from a backup'],
  'manifest-unverified': [
    'fault',
    'a key manifest is not signed by the site, or is of something else',
    'restore the database from a backup; find out who changed it',
  ],
  'list-missing': ['fault', 'a volume lacks an access list', 'restore the database from a backup'],
  'list-unverified': [
    'fault',
    'the statements of an access list are not one chain signed by who counts',
    'restore the database from a backup; find out who changed it',
  ],
  'list-altered': [
    'fault',
    'an access list says something else than its statements',
    'nothing at once: the server goes by the statements; find out who changed it',
  ],
  'orphan-rows': ['fault', 'rows belong to no volume', 'restore the database from a backup, or report it'],
  'registration-open': [
    'warn',
    'a registration has begun and not ended',
    'nothing while the server runs: it goes on by itself; else start the server and all key servers',
  ],
  'notice-open': [
    'warn',
    'series were noticed a day ago or more and are not registered',
    'see that the source and all key servers answer; the log says "notice-kept" with the reason',
  ],
  'notice-unknown-source': [
    'warn',
    'series were noticed of a source that is not configured',
    'nothing: they are registered if the source comes back',
  ],
  'registration-lost': [
    'fault',
    'the journal says ACTIVE where there is no volume',
    'register the source again',
  ],
  'registration-unwritten': ['fault', 'a volume is not in the journal', 'register the source again'],
  'change-missing': [
    'fault',
    'the list of changes does not tell what is so of a volume, or of a version',
    'report it; "mdm ls" is right, scripts that follow "mdm ls --changed" missed something',
  ],
  'shares-left': [
    'warn',
    'shares of an unfinished registration may lie on key servers',
    'nothing while the server runs: it deletes them once every key server answers',
  ],
  'events-waiting': [
    'warn',
    'audit events are not in the log yet',
    'nothing while the server runs: it writes them by itself',
  ],
  'spool-unfinished': [
    'warn',
    'an unfinished container lies in the spool',
    'nothing while the server runs; the next start deletes it',
  ],
  'spool-damaged': ['warn', 'a container in the spool is not whole', 'nothing: the next start deletes it'],
  'spool-unknown-volume': [
    'warn',
    'a container in the spool is of a volume that is not registered',
    'delete the file',
  ],
  'spool-foreign': ['warn', 'a file in the spool is not one of MDM', 'find out whose it is'],
  'file-mode': ['fault', 'a file can be read by others than its owner', 'chmod 600 it'],
  'audit-missing': [
    'fault',
    'there is no audit log',
    'find out who removed it; the next start begins a new one',
  ],
  'audit-broken': [
    'fault',
    'a line of the audit log does not follow from the one before',
    'keep the file and find out who changed it; the server does not start with it',
  ],
  'audit-torn': [
    'warn',
    'the last line of the audit log is not whole',
    'nothing: it was never acknowledged, and goes at the next record',
  ],
  'key-server-silent': [
    'warn',
    'a key server does not answer the site',
    'start it, or look at the network; then look again',
  ],
  'shares-too-few': [
    'fault',
    'fewer than m key servers give a share: nobody can read the volume',
    'restore key servers from their backups',
  ],
  'shares-incomplete': [
    'fault',
    'fewer than n key servers give a share',
    'restore the key servers that lack it from their backups',
  ],
  'share-wrong': [
    'fault',
    'a key server gives no share, or one that does not fit the manifest',
    'tell the operator of the key server',
  ],
  'site-untrusted': [
    'fault',
    'shares belong to a site of which no roster is accepted here',
    'accept its roster with "mdm-server keys trust"',
  ],
  'share-sealed': [
    'fault',
    'a share does not open under the store key',
    'put the right store.key back, or restore the database from a backup',
  ],
  'share-damaged': [
    'fault',
    'a share is not the one its manifest describes',
    'restore the database from a backup',
  ],
  'share-misplaced': [
    'fault',
    'a share lies under another kid, epoch or version than its manifest says',
    'restore the database from a backup',
  ],
  'share-without-list': [
    'fault',
    'a share has no access list, so nobody gets it',
    'restore the database from a backup',
  ],
} as const satisfies Record<string, readonly [level: 'warn' | 'fault', what: string, next: string]>

export type FindingName = keyof typeof FINDINGS

/** What was found, and how much was looked at. */
export interface Report {
  readonly findings: readonly Finding[]
  readonly looked: Readonly<Record<string, number>>
}

/** Gathers findings; a subject is a GUID, kid, table or number: never patient data, names or paths. */
export interface Collector {
  find(name: FindingName, subject: string): void
  /** Counts what was looked at. */
  look(what: string, count?: number): void
  report(): Report
}

export function collect(): Collector {
  const findings: Finding[] = []
  const looked: Record<string, number> = {}
  return {
    find(name, subject) {
      const [level, what, next] = FINDINGS[name]
      findings.push((level === 'warn' ? warn : fault)(name, subject, what, next))
    },
    look(what, count = 1) {
      looked[what] = (looked[what] ?? 0) + count
    },
    report: () => ({ findings, looked }),
  }
}
