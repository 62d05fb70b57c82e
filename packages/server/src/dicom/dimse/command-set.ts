import { dimseError } from './faults.ts'

/** Values of (0000,0100) Command Field (PS3.7 E.1). */
export const COMMAND = {
  storeRq: 0x0001,
  storeRsp: 0x8001,
  getRq: 0x0010,
  getRsp: 0x8010,
  findRq: 0x0020,
  findRsp: 0x8020,
  moveRq: 0x0021,
  moveRsp: 0x8021,
  echoRq: 0x0030,
  echoRsp: 0x8030,
  cancelRq: 0x0fff,
} as const

/** (0000,0800) when no data set follows; anything else says that one does. */
const NO_DATA_SET = 0x0101

/** A command, or a response: the elements of group 0000 that we use (PS3.7 annex E). */
export interface CommandSet {
  commandField: number
  hasDataSet: boolean
  affectedSopClass?: string
  messageId?: number
  /** (0000,0120), in responses and C-CANCEL */
  respondedTo?: number
  moveDestination?: string
  priority?: number
  status?: number
  affectedSop?: string
  remaining?: number
  completed?: number
  failed?: number
  warning?: number
  moveOriginator?: string
  moveOriginatorMessageId?: number
}

type Field = Exclude<keyof CommandSet, 'hasDataSet'>

/** Element numbers in group 0000, in the order in which they are written, and their VR (PS3.7 E.1). */
const ELEMENTS: readonly (readonly [element: number, vr: 'UI' | 'US' | 'AE', field: Field])[] = [
  [0x0002, 'UI', 'affectedSopClass'],
  [0x0100, 'US', 'commandField'],
  [0x0110, 'US', 'messageId'],
  [0x0120, 'US', 'respondedTo'],
  [0x0600, 'AE', 'moveDestination'],
  [0x0700, 'US', 'priority'],
  [0x0900, 'US', 'status'],
  [0x1000, 'UI', 'affectedSop'],
  [0x1020, 'US', 'remaining'],
  [0x1021, 'US', 'completed'],
  [0x1022, 'US', 'failed'],
  [0x1023, 'US', 'warning'],
  [0x1030, 'AE', 'moveOriginator'],
  [0x1031, 'US', 'moveOriginatorMessageId'],
]
const BY_ELEMENT = new Map(ELEMENTS.map(([element, vr, field]) => [element, { vr, field }]))
const DATA_SET_TYPE = 0x0800

/** A command set: implicit VR little endian, group length first (PS3.7 6.3.1). */
export function encodeCommandSet(command: CommandSet): Buffer {
  const elements: [element: number, bytes: Buffer][] = [
    [DATA_SET_TYPE, element(DATA_SET_TYPE, unsigned(command.hasDataSet ? 1 : NO_DATA_SET))],
  ]
  for (const [number, vr, field] of ELEMENTS) {
    const value = command[field]
    if (value === undefined) continue
    const bytes = vr === 'US' ? unsigned(Number(value)) : padded(String(value), vr === 'UI' ? '\0' : ' ')
    elements.push([number, element(number, bytes)])
  }
  const body = Buffer.concat(elements.toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(body.length)
  return Buffer.concat([element(0x0000, length), body])
}

/**
 * Reads a command set; its group length is not trusted, unknown elements are passed over.
 * @throws MDM_SOURCE_PROTOCOL
 */
export function decodeCommandSet(bytes: Buffer): CommandSet {
  const command: Partial<Record<Field, string | number>> = {}
  let dataSetType: number | undefined
  for (let at = 0; at < bytes.length;) {
    if (at + 8 > bytes.length) throw dimseError('protocol', 'a command element is cut short')
    const end = at + 8 + bytes.readUInt32LE(at + 4)
    if (end > bytes.length) throw dimseError('protocol', 'a command element is cut short')
    const isCommand = bytes.readUInt16LE(at) === 0
    const number = bytes.readUInt16LE(at + 2)
    const value = bytes.subarray(at + 8, end)
    at = end
    // Orthanc puts the list of failed objects, which is group 0008, behind its command
    if (!isCommand) continue
    if (number === DATA_SET_TYPE) dataSetType = readUnsigned(value)
    const known = BY_ELEMENT.get(number)
    if (known !== undefined) command[known.field] = known.vr === 'US' ? readUnsigned(value) : readText(value)
  }
  if (command.commandField === undefined || dataSetType === undefined)
    throw dimseError('protocol', 'a command set does not say what it is')
  return { ...command, hasDataSet: dataSetType !== NO_DATA_SET } as CommandSet
}

function element(number: number, value: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16LE(number, 2)
  header.writeUInt32LE(value.length, 4)
  return Buffer.concat([header, value])
}

function unsigned(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function padded(value: string, padding: string): Buffer {
  return Buffer.from(value.length % 2 === 0 ? value : value + padding, 'latin1')
}

function readUnsigned(value: Buffer): number {
  if (value.length !== 2) throw dimseError('protocol', 'a number of a command set has no 2 bytes')
  return value.readUInt16LE(0)
}

/** UIDs and AE titles; none of them is longer than 64 bytes. */
function readText(value: Buffer): string {
  if (value.length > 64) throw dimseError('protocol', 'a text of a command set is too long')
  return value.toString('latin1').replace(/[\0 ]+$/, '')
}
