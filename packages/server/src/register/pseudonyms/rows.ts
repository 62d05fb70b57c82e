import type { TableRows } from '../../volume/plan.ts'
import { retainedBy } from '../../volume/profile.ts'
import { cappedAge } from './age.ts'
import { patientPseudonym, shiftedDate, uidPseudonym, type PseudonymKeys } from './derive.ts'

/** The cells that stand for others, table by table; only these are ever written again for a version that is registered. */
export interface PseudonymCells {
  readonly patient: { readonly patient_id: string }
  readonly image: { readonly patient_id: string }
  readonly medical: { readonly shifted_date: string | null; readonly age: number | null }
  readonly dicom: {
    readonly study_pseudonym: string
    readonly series_pseudonym: string
    readonly frame_of_reference_pseudonym: string | null
  }
}

/** What pseudonyms are made of. */
export interface PseudonymSource {
  readonly study: string
  readonly series: string
  /** of the version: says what may leave beside the closed list */
  readonly profile: string
  readonly patientId: string | null
  readonly issuer: string | null
  readonly frameOfReference: string | null
  /** YYYY-MM-DD */
  readonly acquisitionDate: string | null
  readonly birthDate: string | null
  /** an AS of DICOM, such as 045Y */
  readonly patientAge: string | null
}

/** Everything that stands for a patient, a UID or a day, made in one place. */
export function pseudonymCells(keys: PseudonymKeys, of: PseudonymSource): PseudonymCells {
  const patient = { issuer: of.issuer ?? '', patientId: of.patientId ?? '', study: of.study }
  const pseudonym = patientPseudonym(keys, patient)
  const { dates, ages } = retainedBy(of.profile)
  const { acquisitionDate: day, frameOfReference: frame } = of
  return {
    patient: { patient_id: pseudonym },
    image: { patient_id: pseudonym },
    medical: {
      shifted_date: dates === 'modified' && day !== null ? shiftedDate(keys, patient, day) : null,
      age: ages === 'capped' ? cappedAge(of) : null,
    },
    dicom: {
      study_pseudonym: uidPseudonym(keys, of.study),
      series_pseudonym: uidPseudonym(keys, of.series),
      frame_of_reference_pseudonym: frame === null ? null : uidPseudonym(keys, frame),
    },
  }
}

/** The rows of a plan with their pseudonyms in. */
export function pseudonymousTables(
  tables: TableRows,
  keys: PseudonymKeys,
  of: { study: string; series: string; profile: string },
): TableRows {
  const { patient, medical, dicom } = tables
  const text = (cell: string | number | null | undefined) =>
    cell === null || cell === undefined ? null : String(cell)
  const cells = pseudonymCells(keys, {
    ...of,
    patientId: text(patient.source_patient_id),
    issuer: text(patient.issuer_of_patient_id),
    birthDate: text(patient.birth_date),
    frameOfReference: text(dicom.frame_of_reference_uid),
    acquisitionDate: text(medical.acquisition_date),
    patientAge: text(medical.patient_age),
  })
  return {
    ...tables,
    patient: { ...patient, ...cells.patient },
    image: { ...tables.image, ...cells.image },
    medical: { ...medical, ...cells.medical },
    dicom: { ...dicom, ...cells.dicom },
  }
}
