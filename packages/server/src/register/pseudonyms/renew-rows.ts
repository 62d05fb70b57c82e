import type { Guid } from '@mdm/core/names'
import type { SiteQueries, SiteStore } from '../../store/site-store.ts'
import { inTransaction } from '../../store/transaction.ts'
import { putOutbox } from '../outbox.ts'
import type { PseudonymKeys } from './derive.ts'
import { pseudonymCells, type PseudonymCells } from './rows.ts'

/** Versions of one transaction; requests are answered between two. */
const AT_ONCE = 200

/**
 * Gives every version whose pseudonyms are of an older generation the ones of today, from what its own rows say. Each transaction
 * renews some and counts on what is left, so a stop at any point is taken up by the next start.
 *
 * @returns how many versions
 */
export async function renewRows(db: SiteStore, keys: PseudonymKeys, signal: AbortSignal): Promise<number> {
  for (let renewed = 0; ;) {
    signal.throwIfAborted()
    const done = await inTransaction(db, async (trx) => {
      const rows = await olderRows(trx)
      for (const { guid, version, ...of } of rows)
        await write(trx, { guid, version }, pseudonymCells(keys, of))
      if (rows.length === 0 && renewed > 0) await tell(trx, renewed)
      return rows.length
    })
    if (done === 0) return renewed
    renewed += done
  }
}

async function olderRows(db: SiteQueries) {
  return await db
    .selectFrom('patient')
    .innerJoin('volumes', 'volumes.guid', 'patient.guid')
    .innerJoin('versions', (join) =>
      join.onRef('versions.guid', '=', 'patient.guid').onRef('versions.version', '=', 'patient.version'),
    )
    .innerJoin('medical', (join) =>
      join.onRef('medical.guid', '=', 'patient.guid').onRef('medical.version', '=', 'patient.version'),
    )
    .innerJoin('dicom', (join) =>
      join.onRef('dicom.guid', '=', 'patient.guid').onRef('dicom.version', '=', 'patient.version'),
    )
    .select([
      'patient.guid as guid',
      'patient.version as version',
      'volumes.study as study',
      'volumes.series as series',
      'versions.profile as profile',
      'patient.source_patient_id as patientId',
      'patient.issuer_of_patient_id as issuer',
      'patient.birth_date as birthDate',
      'dicom.frame_of_reference_uid as frameOfReference',
      'medical.acquisition_date as acquisitionDate',
      'medical.patient_age as patientAge',
    ])
    .where('patient.patient_id', 'like', 'p0%')
    .orderBy('patient.guid')
    .orderBy('patient.version')
    .limit(AT_ONCE)
    .execute()
}

async function write(
  db: SiteQueries,
  { guid, version }: { guid: Guid; version: number },
  cells: PseudonymCells,
): Promise<void> {
  for (const [table, row] of Object.entries(cells))
    await db
      // One name stands for all four: they share the two columns of the key.
      .updateTable(table as 'image')
      .set(row as PseudonymCells['image'])
      .where('guid', '=', guid)
      .where('version', '=', version)
      .execute()
}

async function tell(db: SiteQueries, renewed: number): Promise<void> {
  await putOutbox(db, {
    eventId: `pseudonyms-renewed:${crypto.randomUUID()}`,
    ...{ event: 'pseudonyms-renewed', outcome: 'done' },
    facts: { versions: renewed },
  })
}
