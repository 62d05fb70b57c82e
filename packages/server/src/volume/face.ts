import type { InstanceHeader } from '../dicom/source.ts'

/** Modalities of which slices add up to a surface. */
const IN_DEPTH = new Set(['CT', 'MR', 'PT', 'NM'])
/** Head, brain and what lies in a face, as codes of PS3.16 annex L and in descriptions, also in French, German, Italian, Spanish. */
const HEAD =
  /head|brain|skull|crani|cereb|face|facial|orbit|sinus|maxill|mandib|jaw|dent|ear\b|iac\b|eye|pituit|tmj|neuro|stroke|nose|nasal|t[eê]te|cerveau|kopf|sch[aä]del|hirn|testa|capo\b|cabeza|encef|wholebody|whole body/i

/**
 * Whether the voxels may show a face, which can name a person as a photograph does.
 *
 * @returns 'possible' where a text says head, or where nothing says which part of the body it is; null else
 * @see SECURITY.md; DICOM PS3.3 C.12.1.1.3 (Recognizable Visual Features)
 */
export function faceOf({ modality, text }: InstanceHeader): 'possible' | null {
  if (text.RecognizableVisualFeatures === 'YES') return 'possible'
  if (text.RecognizableVisualFeatures === 'NO' || !IN_DEPTH.has(modality)) return null
  const said = [text.BodyPartExamined, text.SeriesDescription, text.StudyDescription, text.ProtocolName]
  const words = said.filter((value) => value !== undefined)
  return words.length === 0 || words.some((value) => HEAD.test(value)) ? 'possible' : null
}
