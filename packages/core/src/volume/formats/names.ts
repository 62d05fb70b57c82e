/** What a file of each format is called; the format's name is what --format takes. Loads nothing, for who asks only that. */
export const EXTENSIONS = {
  nrrd: '.nrrd',
  nifti: '.nii',
  'nifti-gz': '.nii.gz',
  metaimage: '.mha',
} as const

export type FormatName = keyof typeof EXTENSIONS

/** The formats, in the order in which help lists them. */
export const FORMAT_NAMES = Object.keys(EXTENSIONS) as FormatName[]
