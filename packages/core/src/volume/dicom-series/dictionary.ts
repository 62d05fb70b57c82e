import dcmjs from 'dcmjs'

/** What the dictionary of DICOM PS3.6 says of a tag of eight hexadecimal digits; undefined for private and unknown ones. */
export function entryOf(tag: string): { name: string; vr: string } | undefined {
  const key = `(${tag.slice(0, 4)},${tag.slice(4)})`.toUpperCase()
  const { dictionary } = dcmjs.data.DicomMetaDictionary
  const found = Object.hasOwn(dictionary, key) ? dictionary[key] : undefined
  return found && { name: found.name, vr: found.vr }
}
