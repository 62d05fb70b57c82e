import type { InstanceHeader } from '../dicom/source.ts'
import type { Fault } from './judge.ts'

/** Modalities where text burned into the pixels is the rule, not the exception; hard copies (HC) are photographs of screens. */
const OFTEN_BURNED_IN = new Set(['US', 'IVUS', 'SC', 'OT', 'XC', 'ES', 'GM', 'SM', 'DOC', 'HC'])

const STORAGE = '1.2.840.10008.5.1.4.1.1.'
const SECONDARY_CAPTURE = `${STORAGE}7`
/** The same kinds by SOP class, since Modality can say anything: ultrasound, visible light, hard copies. */
const OFTEN_CLASSES = [
  `${STORAGE}3`,
  `${STORAGE}6`,
  `${STORAGE}77.1`,
  '1.2.840.10008.5.1.1.29',
  '1.2.840.10008.5.1.1.30',
]

/** What an object that does not say NO is held for, the first that fits. */
const SILENT: readonly (readonly [
  applies: (header: InstanceHeader) => boolean,
  reason: string,
  tag: string,
])[] = [
  [
    ({ sopClass }) => isClass(sopClass, SECONDARY_CAPTURE),
    'a secondary capture may hold annotations, and does not say that it holds none',
    'SOPClassUID',
  ],
  [
    ({ text }) => text.ConversionType !== undefined,
    'the image was captured from film, video or a screen, and does not say that it holds no annotations',
    'ConversionType',
  ],
  [
    ({ modality, sopClass }) =>
      OFTEN_BURNED_IN.has(modality) || OFTEN_CLASSES.some((uid) => isClass(sopClass, uid)),
    'images of this kind often hold annotations, and this does not say that it holds none',
    'Modality',
  ],
  [
    ({ imageType: [pixels, examination] }) => pixels === 'DERIVED' && examination === 'SECONDARY',
    'a derived secondary image may hold annotations, and does not say that it holds none',
    'ImageType',
  ],
  [
    // A scanner measures grey values: what is in colour was drawn, such as a dose page or a fusion with a legend.
    ({ photometric }) => photometric !== undefined && !photometric.startsWith('MONOCHROME'),
    'a colour image may hold annotations, and does not say that it holds none',
    'PhotometricInterpretation',
  ],
]

/**
 * Why a person must look at the pixels before they may leave; undefined when none has to.
 *
 * @see docs/formats/volume.md; DICOM PS3.3 C.7.6.1.1.1 (image type), C.7.6.1.1.5 (burned in annotation), C.8.6.1 (conversion type)
 */
export function burnedInRisk(header: InstanceHeader): Fault | undefined {
  const said = header.text.BurnedInAnnotation
  const held = (reason: string, tag: string): Fault => ({ code: 'MDM_PRIVACY_HELD', reason, tags: [tag] })
  if (said !== undefined && said !== 'NO')
    return held('the pixels are said to hold annotations', 'BurnedInAnnotation')
  if (header.imageType.some((value) => value.includes('SCREEN')))
    return held('the image is a screen shot', 'ImageType')
  if (said === 'NO') return undefined
  const found = SILENT.find(([applies]) => applies(header))
  return found && held(found[1], found[2])
}

function isClass(uid: string, root: string): boolean {
  return uid === root || uid.startsWith(`${root}.`)
}
