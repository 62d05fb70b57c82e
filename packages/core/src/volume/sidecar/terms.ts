/**
 * Text that may stand in a sidecar. An element of DICOM can hold anything, also a name that somebody typed there, so
 * text is never copied: only words of these lists are written.
 */

/** How each maker is called, by the beginning of what its machines write. */
const MAKERS: readonly (readonly [beginning: RegExp, name: string])[] = [
  [/^siemens/i, 'Siemens'],
  [/^g\.?e\.?\b/i, 'GE'],
  [/^philips/i, 'Philips'],
  [/^toshiba/i, 'Toshiba'],
  [/^canon/i, 'Canon'],
  [/^hitachi/i, 'Hitachi'],
  [/^fujifilm/i, 'Fujifilm'],
  [/^(uih|united imaging)/i, 'UIH'],
  [/^bruker/i, 'Bruker'],
  [/^mediso/i, 'Mediso'],
  [/^agfa/i, 'Agfa'],
  [/^carestream/i, 'Carestream'],
  [/^hologic/i, 'Hologic'],
  [/^shimadzu/i, 'Shimadzu'],
]

/** Names of product lines and what stands beside them. */
const MODEL_WORDS = new Set(
  [
    'achieva ambition as ct mr pt st dr aera affinity allegra altea amira aquilion architect artist avanto biograph brightspeed brilliance',
    'centaurian cima circle confidence definition discovery dstream dual edge elition emotion espree essenza excite explorer',
    'fit flash force free galan gemini go go.all go.top go.up harmony hdx hdxt hd healthineers horizon icon iqon incisive',
    'ingenia ingenuity innova intera lightspeed lumina magnetom mct mmr mobile mx nanox now one open optima orian pet',
    'pet/ct pioneer plus precision premier prime prisma prisma_fit pro quant revolution rhapsode rx scenaria select sempra',
    'sensation signa skyra skyra_fit sola sonata somatom spectra spectral spirit supria symphony symphonytim system tf',
    'tof tra trio triotim turbo ultra umi umr uct upmr vantage vereos verio vida vision volume voyager x.cite xcede xr xs',
  ]
    .join(' ')
    .split(' '),
)

/** Defined terms of body part examined (DICOM PS3.16 annex L), those in common use. */
const BODY_PARTS = new Set(
  [
    'ABDOMEN ABDOMENPELVIS ANKLE ARM BLADDER BRAIN BREAST CAROTID CHEST CHESTABDOMEN CHESTABDPELVIS CLAVICLE COCCYX CSPINE',
    'CTSPINE EAR ELBOW EXTREMITY EYE FEMUR FINGER FOOT FOREARM HAND HEAD HEADNECK HEART HIP HUMERUS JAW KIDNEY KNEE LEG LIVER',
    'LSPINE LSSPINE LUNG MAXILLA MEDIASTINUM NECK NECKCHEST NOSE ORBIT PANCREAS PELVIS PROSTATE RIB SCAPULA SHOULDER SKULL',
    'SPINE SPLEEN SSPINE STERNUM THIGH THORAX THUMB TLSPINE TMJ TOE TSPINE TSSPINE UTERUS WHOLEBODY WRIST ZYGOMA',
  ]
    .join(' ')
    .split(' '),
)

/** Patient positions (DICOM PS3.3 C.7.3.1.1.2). */
const POSITIONS = new Set(
  'HFP HFS HFDR HFDL FFDR FFDL FFP FFS LFP LFS RFP RFS AFDR AFDL PFDR PFDL'.split(' '),
)

/** Scanning sequences, sequence variants and acquisition types of MR (DICOM PS3.3 C.8.3.1). */
const SEQUENCES = new Set('SE IR GR EP RM'.split(' '))
const VARIANTS = new Set('SK MTC SS TRSS SP MP OSP NONE'.split(' '))
const ACQUISITIONS = new Set(['2D', '3D'])

/** @returns one of a list of names */
export function maker(text: string): string | undefined {
  return MAKERS.find(([beginning]) => beginning.test(text.trim()))?.[1]
}

/** The model as it is written, where all its words are known ones, or numbers of up to four digits. */
export function model(text: string): string | undefined {
  const words = text.trim().toLowerCase().split(/\s+/)
  const isKnown = (word: string) =>
    MODEL_WORDS.has(word.replace(/\+$/, '')) || /^[a-z]{0,2}\d{1,4}[a-z+]?$/.test(word)
  return words.some((word) => MODEL_WORDS.has(word)) && words.every(isKnown) ? text.trim() : undefined
}

const oneOf = (terms: ReadonlySet<string>) => (text: string) => {
  const term = text.trim().toUpperCase()
  return terms.has(term) ? term : undefined
}

/** All values of an element, or none where one of them is no term. @returns one term, or a list of them */
const allOf = (terms: ReadonlySet<string>) => (text: string) => {
  const values = text.split('\\').map((value) => value.trim())
  if (!values.every((value) => terms.has(value))) return undefined
  return values.length === 1 ? values[0] : values
}

export const bodyPart = oneOf(BODY_PARTS)
export const patientPosition = oneOf(POSITIONS)
export const acquisitionType = oneOf(ACQUISITIONS)
export const scanningSequence = allOf(SEQUENCES)
export const sequenceVariant = allOf(VARIANTS)

/** Units in which values are told (BIDS: SI, or as the field has them), by their codes of DICOM. */
export const UNITS: Readonly<Record<string, string>> = {
  BQML: 'Bq/mL',
  CNTS: 'counts',
  CPS: 'counts/s',
  CM2ML: 'cm2/mL',
  GML: 'g/mL',
  MLMING: 'mL/min/g',
  MGMINML: 'mg/min/mL',
  PROPCNTS: 'proportional to counts',
  PROPCPS: 'proportional to counts/s',
}
