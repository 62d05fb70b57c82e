/** Elements of a Siemens CSA header; real ones have about 100. */
const MAX_ELEMENTS = 512
/** Items of one element; most of them are empty. */
const MAX_ITEMS = 1024
const HEAD_BYTES = 84
const ITEM_BYTES = 16
const NAME_BYTES = 64

/**
 * The text of the items of some elements of a Siemens CSA header: little endian, after `SV10`, or in the older layout without.
 * It stands in no standard; each length is held against the bytes there are, and what does not fit ends the reading.
 *
 * @param names elements that are wanted
 * @param most  bytes of one item that are read
 */
export function readCsa(
  bytes: Buffer,
  names: ReadonlySet<string>,
  most: number,
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  const isNew = bytes.toString('latin1', 0, 4) === 'SV10'
  let at = isNew ? 8 : 0
  if (at + 8 > bytes.length) return found
  const elements = Math.min(bytes.readUInt32LE(at), MAX_ELEMENTS)
  at += 8
  let firstCount: number | undefined
  for (let element = 0; element < elements; element++) {
    if (at + HEAD_BYTES > bytes.length) return found
    const name = upToZero(bytes.toString('latin1', at, at + NAME_BYTES))
    const count = bytes.readUInt32LE(at + NAME_BYTES + 12)
    firstCount ??= count
    if (count > MAX_ITEMS) return found
    at += HEAD_BYTES
    const items: string[] = []
    const isWanted = names.has(name)
    for (let item = 0; item < count; item++) {
      if (at + ITEM_BYTES > bytes.length) return found
      // the older layout writes the length first, and adds the number of items of the first element to it
      const length = isNew ? bytes.readUInt32LE(at + 4) : bytes.readUInt32LE(at) - firstCount
      at += ITEM_BYTES
      if (length < 0 || at + length > bytes.length) return found
      if (isWanted && length > 0) {
        const text = upToZero(bytes.toString('latin1', at, at + Math.min(length, most))).trim()
        if (text !== '') items.push(text)
      }
      at += length + ((4 - (length % 4)) % 4)
    }
    if (items.length > 0) found.set(name, items)
  }
  return found
}

function upToZero(text: string): string {
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}
