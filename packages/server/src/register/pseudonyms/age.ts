/** The oldest age that is told: people above 89 are so few that their age may name them. */
const OLDEST = 90
/** Units of an AS (DICOM PS3.5 6.2) in a year. */
const IN_A_YEAR: Readonly<Record<string, number>> = { Y: 1, M: 12, W: 52, D: 365 }

/**
 * Age at the examination in whole years, 90 for everyone above 89; from PatientAge, else from the two days.
 *
 * @returns null where neither says it
 */
export function cappedAge(of: {
  patientAge: string | null
  birthDate: string | null
  acquisitionDate: string | null
}): number | null {
  const years = stated(of.patientAge) ?? between(of.birthDate, of.acquisitionDate)
  return years === null ? null : Math.min(years, OLDEST)
}

function stated(text: string | null): number | null {
  const [, count, unit] = /^(\d{3})([YMWD])$/.exec(text?.trim() ?? '') ?? []
  return count === undefined ? null : Math.floor(Number(count) / IN_A_YEAR[unit!]!)
}

function between(from: string | null, to: string | null): number | null {
  if (from === null || to === null || to < from) return null
  const years = Number(to.slice(0, 4)) - Number(from.slice(0, 4))
  return to.slice(5) < from.slice(5) ? years - 1 : years
}
