/**
 * What an object, or one frame of it, says that may tell the volumes of its series apart; volume/plane.ts says what each is
 * and in which unit. Absent and malformed alike are left out.
 */
export interface FrameMarks {
  stack?: string
  imageType?: string
  quantity?: string
  coil?: string
  echo?: number
  echoTime?: number
  repetitionTime?: number
  inversionTime?: number
  flipAngle?: number
  bValue?: number
  gradient?: string
  time?: number
  phase?: number
  acquisition?: number
  triggerTime?: number
  frameTime?: number
  dateTime?: string
}

/** Without what is undefined. */
export function present<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  const found: Partial<T> = {}
  for (const key in values) if (values[key] !== undefined) found[key] = values[key]
  return found as T
}

const COMPONENTS: Readonly<Record<string, string>> = {
  MAGNITUDE: 'M',
  PHASE: 'P',
  REAL: 'R',
  IMAGINARY: 'I',
}

/**
 * What the numbers of an MR image are: M, P, R or I, by ComplexImageComponent, else by the first value of the image type from
 * the third on that says so, as Siemens, Philips and UIH write it.
 *
 * @see DICOM PS3.3 C.8.13.3.1.1
 */
export function quantityOf(component: string, imageType: readonly string[]): string | undefined {
  const said = COMPONENTS[component]
  if (said !== undefined) return said
  const named = imageType
    .slice(2)
    .map((value) => COMPONENTS[value] ?? value)
    .find((value) => /^[MPRI]$/.test(value))
  return named
}

/** Components of a direction as text, unless there is none (all 0, as images without diffusion weighting say it). */
export function directionOf(xyz: readonly number[] | undefined): string | undefined {
  return xyz?.some((component) => component !== 0) ? xyz.join(' ') : undefined
}

/** DT, or DA and TM one after the other, as YYYYMMDDHHMMSS.FFFFFF; its offset from UTC is left out. */
export function dateTimeOf(text: string): string | undefined {
  const match = /^(\d{14})(\.\d{1,6})?([+-]\d{4})?$/.exec(text)
  return match === null ? undefined : `${match[1]}.${(match[2] ?? '.').slice(1).padEnd(6, '0')}`
}
