/** How the pixels of an object are written. */
export type Coding = 'native' | 'rle' | 'jpeg' | 'jpeg-lossless' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k'

interface Entry {
  readonly coding: Coding
  /** whether it makes an image lossy; of `perhaps` only (0028,2110) tells */
  readonly lossy: 'no' | 'perhaps' | 'yes'
}

const entry = (coding: Coding, lossy: Entry['lossy'] = 'no'): Entry => ({ coding, lossy })

/** Every transfer syntax whose pixels can be had (DICOM PS3.6 table A-1). */
const TRANSFER_SYNTAXES: Readonly<Record<string, Entry>> = {
  '1.2.840.10008.1.2': entry('native'),
  '1.2.840.10008.1.2.1': entry('native'),
  '1.2.840.10008.1.2.1.99': entry('native'),
  '1.2.840.10008.1.2.2': entry('native'),
  '1.2.840.10008.1.2.5': entry('rle'),
  '1.2.840.10008.1.2.4.50': entry('jpeg', 'yes'),
  '1.2.840.10008.1.2.4.51': entry('jpeg', 'yes'),
  '1.2.840.10008.1.2.4.57': entry('jpeg-lossless'),
  '1.2.840.10008.1.2.4.70': entry('jpeg-lossless'),
  '1.2.840.10008.1.2.4.80': entry('jpeg-ls'),
  '1.2.840.10008.1.2.4.81': entry('jpeg-ls', 'perhaps'),
  '1.2.840.10008.1.2.4.90': entry('jpeg-2000'),
  '1.2.840.10008.1.2.4.91': entry('jpeg-2000', 'perhaps'),
  '1.2.840.10008.1.2.4.201': entry('htj2k'),
  '1.2.840.10008.1.2.4.202': entry('htj2k'),
  '1.2.840.10008.1.2.4.203': entry('htj2k', 'perhaps'),
}

/** How pixels are written in a transfer syntax; undefined for one that is not decoded here. */
export function codingOf(transferSyntax: string): Coding | undefined {
  return Object.hasOwn(TRANSFER_SYNTAXES, transferSyntax)
    ? TRANSFER_SYNTAXES[transferSyntax]!.coding
    : undefined
}

/** True when the pixels of an object in this transfer syntax can be had. */
export function canDecode(transferSyntax: string): boolean {
  return codingOf(transferSyntax) !== undefined
}

/** Whether a transfer syntax makes an image lossy: `perhaps` is settled by LossyImageCompression (0028,2110) alone. */
export function isLossySyntax(transferSyntax: string): 'no' | 'perhaps' | 'yes' {
  return TRANSFER_SYNTAXES[transferSyntax]?.lossy ?? 'no'
}
