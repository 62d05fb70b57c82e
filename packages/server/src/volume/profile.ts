import { PROFILE } from './deidentify.ts'

/** What a site lets researchers have beside the closed list, by decision of the hospital. */
export interface Retained {
  /** `modified`: days of acquisition, moved by as many days as the patient has for all of his */
  readonly dates: 'removed' | 'modified'
  /** `capped`: age in whole years, above 89 as one */
  readonly ages: 'removed' | 'capped'
}

/** Codes of the options of the profile (DICOM PS3.16 CID 7050). */
const MODIFIED_DATES = '113107'
const PATIENT_CHARACTERISTICS = '113108'

/** The profile with the codes of its options, as it stands in a container: `113100-2024b+113107`. */
export function profileOf({ dates, ages }: Retained): string {
  const options = [
    ...(dates === 'modified' ? [MODIFIED_DATES] : []),
    ...(ages === 'capped' ? [PATIENT_CHARACTERISTICS] : []),
  ]
  return [PROFILE, ...options].join('+')
}

/** What a profile lets leave: a version keeps the one it was registered under. */
export function retainedBy(profile: string): Retained {
  const [, ...options] = profile.split('+')
  return {
    dates: options.includes(MODIFIED_DATES) ? 'modified' : 'removed',
    ages: options.includes(PATIENT_CHARACTERISTICS) ? 'capped' : 'removed',
  }
}
