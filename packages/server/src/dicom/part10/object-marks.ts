import { dateTimeOf, directionOf, present, quantityOf, type FrameMarks } from '../marks.ts'
import type { Values } from './values.ts'

/** Vendors say in blocks of private elements what classic objects have no standard element for. */
const GE_ACQUISITION = 'GEMS_ACQU_01'
const GE_PARAMETERS = 'GEMS_PARM_01'
const SIEMENS = 'SIEMENS MR HEADER'
const PHILIPS = 'Philips Imaging DD 001'
const UIH = 'Image Private Header'

/** GE adds this to b-values to say how they were made. */
const GE_B_OFFSET = 1e9

/** The marks of an object as a whole, by its top-level elements. */
export function objectMarks(values: Values, imageType: readonly string[]): FrameMarks {
  const number = (tag: string): number | undefined => values.numbers(tag, 1)?.[0]
  const isMr = values.ascii('x00080060') === 'MR'
  return present<FrameMarks>({
    imageType: imageType.join('\\') || undefined,
    quantity: isMr ? mrQuantity(values, imageType) : undefined,
    coil: values.codes('x00181250').join('\\') || undefined,
    echo: number('x00180086'),
    echoTime: number('x00180081'),
    repetitionTime: number('x00180080'),
    inversionTime: number('x00180082'),
    flipAngle: number('x00181314'),
    bValue: isMr ? bValue(values) : undefined,
    gradient: isMr ? gradient(values) : undefined,
    time: number('x00200100'),
    phase: !isMr ? undefined : values.numbers(values.privateTag('2001', PHILIPS, '08'), 1)?.[0],
    acquisition: number('x00200012'),
    triggerTime: number('x00181060'),
    frameTime: number('x00541300'),
    dateTime:
      dateTimeOf(values.ascii('x0008002a')) ??
      dateTimeOf(values.ascii('x00080022') + values.ascii('x00080032')),
  })
}

/** GE writes it as a number of its own. */
function mrQuantity(values: Values, imageType: readonly string[]): string | undefined {
  const ge = values.unsigned(values.privateTag('0043', GE_PARAMETERS, '2f'))
  return quantityOf(values.ascii('x00089208'), imageType) ?? (ge === undefined ? undefined : 'MPRI'[ge])
}

/** s/mm2, by the standard element, else by the vendor's. */
function bValue(values: Values): number | undefined {
  return (
    values.reals('x00189087', 1)?.[0] ??
    values.numbers(values.privateTag('0019', SIEMENS, '0c'), 1)?.[0] ??
    values.reals(values.privateTag('2001', PHILIPS, '03'), 1)?.[0] ??
    values.reals(values.privateTag('0065', UIH, '09'), 1)?.[0] ??
    geBValue(values)
  )
}

function geBValue(values: Values): number | undefined {
  const said = values.first(values.privateTag('0043', GE_PARAMETERS, '39'))
  return said === undefined ? undefined : said % GE_B_OFFSET
}

/** Siemens and UIH speak of the patient's axes, as the standard does; GE of those of the image. */
function gradient(values: Values): string | undefined {
  const directionality = values.ascii('x00189075')
  if (directionality === 'ISOTROPIC') return directionality
  return (
    directionOf(values.reals('x00189089', 3)) ??
    directionOf(values.reals(values.privateTag('0019', SIEMENS, '0e'), 3)) ??
    directionOf(values.reals(values.privateTag('0065', UIH, '37'), 3)) ??
    geDirection(values) ??
    (values.ascii(values.privateTag('2001', PHILIPS, '04')) || undefined)
  )
}

function geDirection(values: Values): string | undefined {
  const parts = ['bb', 'bc', 'bd'].map(
    (element) => values.numbers(values.privateTag('0019', GE_ACQUISITION, element), 1)?.[0],
  )
  return parts.every((part) => part !== undefined) ? directionOf(parts) : undefined
}
