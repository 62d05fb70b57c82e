import dcmjs from 'dcmjs'

// its log prints values of the objects it handles
dcmjs.log.setLevel('silent')

/** What the dictionary of DICOM PS3.6 says of a tag of eight hexadecimal digits; undefined for private and unknown ones. */
export function entryOf(tag: string): { name: string; vr: string } | undefined {
  const key = `(${tag.slice(0, 4)},${tag.slice(4)})`.toUpperCase()
  const found = dcmjs.data.DicomMetaDictionary.dictionary[key]
  return found && { name: found.name, vr: found.vr }
}
