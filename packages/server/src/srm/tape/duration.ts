const DURATION =
  /^P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,]\d{1,9})?S)?)?$/
const DAY = 86_400
const SECONDS = [365 * DAY, 30 * DAY, 7 * DAY, DAY, 3_600, 60, 1]

/** The length of a duration (ISO 8601 section 5.5.2), in whole seconds; a year has 365 days, a month 30. Undefined for none. */
export function durationSeconds(text: string): number | undefined {
  const parts = DURATION.exec(text)?.slice(1)
  if (parts === undefined || parts.every((part) => part === undefined)) return undefined
  return parts.reduce((sum, part, i) => sum + Number(part ?? 0) * SECONDS[i]!, 0)
}
