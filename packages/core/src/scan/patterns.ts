/**
 * What names a person or an examination by its form alone. Written beside the rules of de-identification and sharing nothing with
 * them: a mistake there is not repeated here.
 */
export interface Pattern {
  readonly rule: string
  /** on bytes read as Latin-1; global */
  readonly expression: RegExp
  /** what the form alone does not say, such as a check digit */
  readonly holds?: (text: string) => boolean
}

/** Longest text that a pattern is meant to find; the overlap of two pieces of a file. */
export const LONGEST = 512

const digits = (text: string): string => text.replace(/\D/g, '')

export const PATTERNS: readonly Pattern[] = [
  /** an element of the patient's group with its VR, little endian: a DICOM header, also in the middle of another file */
  { rule: 'dicom-patient', expression: /\x10\x00[\x00-\xff]{2}(?:PN|LO|DA|CS|AS|SH|LT|DS)[\x00-\xff]\x00/g },
  /** DICOM PS3.5 6.2: family name ^ given name, in ASCII or UTF-8 */
  {
    rule: 'person-name',
    expression:
      /(?<=^|[\0-\x20"'\\=,:;(>|[{])[A-Z](?:[A-Za-z'-]|\xc3[\x80-\xbf]){1,63}\^[A-Z](?:[A-Za-z'-]|\xc3[\x80-\xbf]){1,63}(?=$|[\0-\x20"'\\=^,:;)<|\]}])/g,
    // bytes of an image or a ciphertext have shorter ones by chance
    holds: (text) => text.length >= 8,
  },
  /** YYYYMMDD, YYYY-MM-DD, DD.MM.YYYY; a time of day after it makes it a record of a program */
  {
    rule: 'date',
    expression:
      /(?<![\w.+-])(?:(?:19|20)\d{2}(-?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])[./](?:0[1-9]|1[0-2])[./](?:19|20)\d{2})(?![\w+-]|\.\d)/g,
  },
  /** an object identifier that is not of DICOM's own registry */
  {
    rule: 'uid',
    expression: /(?<![\w.])(?:[0-2]\.\d{1,39}(?:\.\d{1,39}){3,}|2\.25\.\d{20,39})(?![\w.])/g,
    holds: (text) => text.length >= 16 && !text.startsWith('1.2.840.10008.'),
  },
  {
    rule: 'accession',
    expression:
      /(?<![A-Za-z])(?:ACC(?:ESSION)?(?:[ _]?(?:NO|NR|NUMBER))?|MRN|PATIENT[ _]?ID|PID)[-_ :#"=]{1,4}[A-Z]{0,3}\d{5,16}/gi,
  },
  {
    rule: 'phone',
    expression: /(?<![\w.])(?:\+|00)[1-9]\d{0,2}[ ./-]?(?:\(0\)[ ]?)?(?:\d[ ./-]?){7,11}\d(?![\w.])/g,
  },
  {
    rule: 'e-mail',
    expression:
      /(?<=^|[\0-\x20"'\\=,:;(>|[{<])[A-Za-z0-9][A-Za-z0-9._%+-]{1,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{2,63}){1,4}(?=$|[\0-\x20"'\\,:;)<>|\]}.])/g,
  },
  {
    rule: 'iban',
    expression: /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){3,7}(?:[ ]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])/g,
    holds: (text) => isIban(text.replaceAll(' ', '')),
  },
  /** France: sex, year, month, place, number, key of 97 minus the rest */
  {
    rule: 'nir',
    expression: /(?<!\d)[12][ ]?\d{2}[ ]?(?:0[1-9]|1[0-2])[ ]?\d{2}[ ]?\d{3}[ ]?\d{3}[ ]?\d{2}(?!\d)/g,
    holds: (text) => 97n - (BigInt(digits(text).slice(0, 13)) % 97n) === BigInt(digits(text).slice(13)),
  },
  { rule: 'ssn', expression: /(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])/g },
  /** United Kingdom: ten digits, the last of which makes the weighted sum a multiple of 11 */
  {
    rule: 'nhs',
    expression: /(?<![\d.-])\d{3}[ -]\d{3}[ -]\d{4}(?![\d.-])/g,
    holds: (text) =>
      [...digits(text)].reduce((sum, digit, i) => sum + Number(digit) * (i === 9 ? 1 : 10 - i), 0) % 11 === 0,
  },
]

/** ISO 7064 mod 97-10: the first four letters behind, letters as numbers from 10. */
function isIban(text: string): boolean {
  const moved = text.slice(4) + text.slice(0, 4)
  return BigInt([...moved].map((letter) => parseInt(letter, 36)).join('')) % 97n === 1n
}
