import { spacing, type Volume } from '@mdm/core/volume/volume'
import type { InstanceHeader } from '../dicom/source.ts'
import { withoutNames } from './clean-text.ts'
import { faceOf } from './face.ts'
import type { Marks, Plane } from './plane.ts'
import type { TableRows } from './plan.ts'

/**
 * One row for each table of paper 5.3, from the header of the first slice in order of the volume. What an object does
 * not say, or says malformed, is null.
 * A description with a name in it is null.
 * `marks` are those that all planes share; a mark that is in none of them is null too.
 * What stands for a patient, a UID or a day is null here: it needs the pseudonym key, and registration fills it in.
 */
export function tableRows(
  planes: readonly Plane[],
  { volume, label, marks }: { volume: Volume; label: string; marks: Marks },
): TableRows {
  const { header, sliceThickness } = planes[0]!
  const { text } = header
  const tables: TableRows = {
    patient: {
      patient_id: null,
      patient_name: text.PatientName ?? null,
      source_patient_id: text.PatientID ?? null,
      issuer_of_patient_id: text.IssuerOfPatientID ?? null,
      sex: text.PatientSex ?? null,
      birth_date: isoDate(text.PatientBirthDate),
    },
    image: {
      ...imageRow(planes, volume),
      volume_label: label || null,
      quantity: shortCode(marks.quantity),
    },
    medical: medicalRow(header, volume),
    dicom: {
      study_pseudonym: null,
      series_pseudonym: null,
      frame_of_reference_pseudonym: null,
      study_uid: header.study,
      series_uid: header.series,
      frame_of_reference_uid: text.FrameOfReferenceUID ?? null,
      sop_class_uid: header.sopClass || null,
      transfer_syntax_uid: header.transferSyntax,
      accession_number: text.AccessionNumber ?? null,
      study_id: text.StudyID ?? null,
      series_number: decimal(text.SeriesNumber),
    },
    protocol: {
      protocol_name: text.ProtocolName ?? null,
      sequence_name: text.SequenceName ?? null,
      scanning_sequence: text.ScanningSequence ?? null,
      sequence_variant: text.SequenceVariant ?? null,
      scan_options: text.ScanOptions ?? null,
      acquisition_type: text.MRAcquisitionType ?? null,
      repetition_time: decimal(text.RepetitionTime) ?? numberOf(marks.repetitionTime),
      echo_time: decimal(text.EchoTime) ?? numberOf(marks.echoTime),
      inversion_time: decimal(text.InversionTime) ?? numberOf(marks.inversionTime),
      flip_angle: decimal(text.FlipAngle) ?? numberOf(marks.flipAngle),
      echo_number: numberOf(marks.echo),
      b_value: numberOf(marks.bValue),
      gradient: marks.gradient === undefined ? null : String(marks.gradient),
      time_index: numberOf(marks.time),
      cardiac_phase: numberOf(marks.phase),
      trigger_time: numberOf(marks.triggerTime),
      slice_thickness: sliceThickness ?? null,
      kvp: decimal(text.KVP),
      convolution_kernel: text.ConvolutionKernel ?? null,
    },
  }
  return withoutNames(tables, header)
}

/** Technical facts: what the header of the volume says, and how it was stored at the source. */
function imageRow(planes: readonly Plane[], volume: Volume): TableRows['image'] {
  const { header } = planes[0]!
  const [column, row, slice] = spacing(volume)
  const inMm = volume.unplaced !== 'pixels'
  return {
    patient_id: null,
    columns: volume.columns,
    rows: volume.rows,
    slices: volume.slices,
    column_spacing: inMm ? column : null,
    row_spacing: inMm ? row : null,
    slice_spacing: volume.unplaced === undefined ? slice : null,
    space_origin: volume.unplaced === undefined ? volume.origin.join(' ') : null,
    space_directions: volume.unplaced === undefined ? volume.spaceDirections.flat().join(' ') : null,
    type: volume.type,
    rescale_slope: volume.slope,
    rescale_intercept: volume.intercept,
    units: volume.units ?? null,
    encoding: 'raw',
    bits_stored: header.bitsStored ?? null,
    photometric: header.photometric ?? null,
    image_type: header.imageType.join('\\') || null,
    instances: new Set(planes.map((plane) => plane.header)).size,
    lossy: volume.lossy ? 'yes' : 'no',
  }
}

function medicalRow(header: InstanceHeader, volume: Volume): TableRows['medical'] {
  const { text } = header
  return {
    modality: volume.modality,
    body_part: text.BodyPartExamined ?? null,
    series_description: text.SeriesDescription ?? null,
    manufacturer: text.Manufacturer ?? null,
    model: text.ManufacturerModelName ?? null,
    field_strength: decimal(text.MagneticFieldStrength),
    patient_position: text.PatientPosition ?? null,
    contrast_agent: text.ContrastBolusAgent ?? null,
    face: faceOf(header),
    shifted_date: null,
    age: null,
    study_description: text.StudyDescription ?? null,
    patient_age: text.PatientAge ?? null,
    patient_weight: decimal(text.PatientWeight),
    acquisition_date: isoDate(text.AcquisitionDate ?? text.SeriesDate ?? text.StudyDate),
    acquisition_time: isoTime(text.AcquisitionTime),
    study_date: isoDate(text.StudyDate),
    institution: text.InstitutionName ?? null,
    institution_address: text.InstitutionAddress ?? null,
    department: text.InstitutionalDepartmentName ?? null,
    station: text.StationName ?? null,
    radiologist: text.NameOfPhysiciansReadingStudy ?? null,
    referring_physician: text.ReferringPhysicianName ?? null,
    performing_physician: text.PerformingPhysicianName ?? null,
    operator: text.OperatorsName ?? null,
  }
}

/** DA to YYYY-MM-DD; also the form with dots of ACR-NEMA. Dates that are none are null. */
function isoDate(text: string | undefined): string | null {
  const [, year, month, day] = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(text ?? '') ?? []
  if (year === undefined) return null
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`)
  return Number.isNaN(date.getTime()) || date.getUTCDate() !== Number(day) ? null : `${year}-${month}-${day}`
}

/** TM to HH:MM:SS with the fraction as it is; parts left out are 00. */
function isoTime(text: string | undefined): string | null {
  const match = /^([01]\d|2[0-3]):?([0-5]\d)?:?([0-5]\d|60)?(\.\d{1,6})?$/.exec(text ?? '')
  return match === null ? null : `${match[1]}:${match[2] ?? '00'}:${match[3] ?? '00'}${match[4] ?? ''}`
}

function numberOf(mark: string | number | undefined): number | null {
  return typeof mark === 'number' ? mark : null
}

/** M, P, R, I and other codes; longer text is none. */
function shortCode(mark: string | number | undefined): string | null {
  return typeof mark === 'string' && /^[A-Z0-9_]{1,16}$/.test(mark) ? mark : null
}

function decimal(text: string | undefined): number | null {
  const first = text?.split('\\')[0]?.trim()
  const value = first ? Number(first) : Number.NaN
  return Number.isFinite(value) ? value : null
}
