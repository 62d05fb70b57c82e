import type { InstanceHeader } from '../../dicom/source.ts'
import type { Fault } from '../judge.ts'

/** An object that is no part of a volume, and why. */
export interface Faulty {
  header: InstanceHeader
  fault: Fault
}

/** Finds, by SOP class, the first refused object that may be part of its volumes: of that class, or too damaged to say. */
export function blockers(faulty: readonly Faulty[]): (sopClass: string) => Fault | undefined {
  const images = faulty.filter(({ fault }) => fault.code !== 'MDM_NOT_AN_IMAGE')
  const damaged = images.findIndex(({ fault }) => fault.code === 'MDM_DICOM')
  const ofClass = new Map<string, number>()
  for (const [i, { header }] of images.entries()) {
    if (!ofClass.has(header.sopClass)) ofClass.set(header.sopClass, i)
  }
  return (sopClass) => {
    const found = [ofClass.get(sopClass), damaged].filter((i) => i !== undefined && i >= 0) as number[]
    return images[Math.min(...found)]?.fault
  }
}

export function withheld(fault: Fault): Fault {
  return { ...fault, reason: `sound, but withheld, since of another object of the series ${fault.reason}` }
}
