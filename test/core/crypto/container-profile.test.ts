import { createCipheriv, type KeyObject, randomBytes } from 'node:crypto'
import {
  type EncryptedDataKey,
  encodeContext,
  encodeHeader,
  openMessage,
} from '@mdm/core/crypto/container/format'
import { contextBytes, dataKeyEntry, FRAME_BYTES } from '@mdm/core/crypto/container/profile'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import {
  deriveKeys,
  FrameCipher,
  headerTag,
  unwrapDataKey,
  wrapDataKey,
} from '@mdm/core/crypto/container/suite'
import t from 'tap'
import { open, randomKey, sampleContext } from './container-samples.ts'

const fileKey = randomKey()
const plaintext = Buffer.from('voxels')
const context = sampleContext(plaintext.length)
const ours: [string, string][] = [
  ['mdm:cty', 'application/x-mdm-volume;v=1'],
  ['mdm:guid', context.guid],
  ['mdm:kid', context.kid],
  ['mdm:plen', '6'],
  ['mdm:prof', 'mdm-1'],
  ['mdm:site', 'demo'],
  ['mdm:ver', '1'],
]
const withValue = (key: string, value: string) =>
  ours.map(([k, v]) => [k, k === key ? value : v] as [string, string])

interface Craft {
  context?: [string, string][]
  dataKeys?: (own: EncryptedDataKey) => EncryptedDataKey[]
  frameBytes?: number
  frameIv?: number
}

/** A message sealed with the right file key throughout, but not as the profile says: what only a holder of the key can make. */
function craft(o: Craft): Buffer {
  const [messageId, dataKey, iv] = [randomBytes(32), randomBytes(32), randomBytes(12)]
  const bytes = encodeContext(o.context ?? ours)
  const { contentKey, commitment } = deriveKeys(dataKey, messageId)
  const own = dataKeyEntry(context.kid, iv, wrapDataKey(fileKey, iv, dataKey, bytes))
  const dataKeys = o.dataKeys?.(own) ?? [own]
  const head = encodeHeader({
    messageId,
    contextBytes: bytes,
    dataKeys,
    frameBytes: o.frameBytes ?? FRAME_BYTES,
    commitment,
  })
  const frame = Buffer.alloc(40 + plaintext.length)
  frame.writeUInt32BE(0xffffffff, 0)
  frame.writeUInt32BE(1, 4)
  frame.writeUInt32BE(1, 16)
  frame.writeUInt32BE(plaintext.length, 20)
  new FrameCipher(contentKey, messageId).seal(1, true, plaintext, frame, 24)
  if (o.frameIv !== undefined) frameWithIv(contentKey, messageId, o.frameIv).copy(frame, 8)
  return Buffer.concat([head, headerTag(contentKey, head), frame])
}

/** iv, length, ciphertext and tag of the one frame, sealed under an iv that is not its index. */
function frameWithIv(contentKey: KeyObject, messageId: Buffer, value: number): Buffer {
  const iv = Buffer.alloc(12)
  iv.writeUInt32BE(value, 8)
  const length = Buffer.from([0, 0, 0, plaintext.length])
  const aad = Buffer.concat([
    messageId,
    Buffer.from('AWSKMSEncryptionClient Final Frame'),
    Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]),
    length,
  ])
  const cipher = createCipheriv('aes-256-gcm', contentKey, iv).setAAD(aad)
  return Buffer.concat([iv, length, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

const stranger: EncryptedDataKey = { namespace: 'other', info: Buffer.from('x'), wrapped: randomBytes(48) }
const BROKEN: Record<string, Craft> = {
  'an entry more': { context: [...ours, ['mdm:zzz', 'x']] },
  'an entry of others': { context: [['aws', 'x'], ...ours] },
  'an entry less': { context: ours.slice(0, 6) },
  'no context': { context: [] },
  'another order': { context: ours.toReversed() },
  'another content type': { context: withValue('mdm:cty', 'text/plain') },
  'a GUID in capitals': { context: withValue('mdm:guid', context.guid.toUpperCase().replace(/^./, 'A')) },
  'a kid in capitals': { context: withValue('mdm:kid', 'A'.repeat(32)) },
  'a length with a zero in front': { context: withValue('mdm:plen', '06') },
  'a length with a blank': { context: withValue('mdm:plen', ' 6') },
  'a length as a power': { context: withValue('mdm:plen', '6e0') },
  'a length in hexadecimal': { context: withValue('mdm:plen', '0x6') },
  'no length': { context: withValue('mdm:plen', '') },
  'a length below zero': { context: withValue('mdm:plen', '-6') },
  'an endless length': { context: withValue('mdm:plen', String(2 ** 41)) },
  'version 0': { context: withValue('mdm:ver', '0') },
  'a version with a sign': { context: withValue('mdm:ver', '+1') },
  'a site in capitals': { context: withValue('mdm:site', 'Demo') },
  'a profile with a line break': { context: withValue('mdm:prof', 'a\nb') },
  'another kid in the data key than in the context': { context: withValue('mdm:kid', 'ab'.repeat(16)) },
  'two data keys': { dataKeys: (own) => [own, stranger] },
  'a strange data key in front': { dataKeys: (own) => [stranger, own] },
  'another key namespace': { dataKeys: (own) => [{ ...own, namespace: 'aws' }] },
  'key information with more behind it': {
    dataKeys: (own) => [{ ...own, info: Buffer.concat([own.info, Buffer.alloc(1)]) }],
  },
  'other tag bits': {
    dataKeys: (own) => [{ ...own, info: Buffer.from(own.info.map((b, i) => (i === 35 ? 96 : b))) }],
  },
  'a longer wrapped key': {
    dataKeys: (own) => [{ ...own, wrapped: Buffer.concat([own.wrapped, Buffer.alloc(1)]) }],
  },
  'shorter frames': { frameBytes: 4096 },
  'longer frames': { frameBytes: 2 * FRAME_BYTES },
}

t.test('what is crafted for these tests is a container when it keeps to the profile', async (t) => {
  t.equal(encodeContext(ours).toString('hex'), contextBytes(context).toString('hex'))
  t.ok((await open(craft({}), fileKey, context)).equals(plaintext))
})

t.test(
  'a message that breaks one rule of the profile is refused before a key is looked at, though all its tags are right',
  (t) => {
    for (const [name, o] of Object.entries(BROKEN)) {
      const message = craft(o)
      t.throws(
        () => parseContainerHeader(message),
        { code: 'MDM_CONTAINER', details: { fault: 'profile' } },
        name,
      )
      if (o.dataKeys === undefined)
        t.ok(openAnyway(message).equals(plaintext), `${name}: a message of the format all the same`)
    }
    t.end()
  },
)

t.test('a context key twice is refused', (t) => {
  t.throws(() => parseContainerHeader(craft({ context: [...ours, ours[6]!] })), {
    code: 'MDM_CONTAINER',
    details: { fault: 'header' },
  })
  t.end()
})

t.test('a frame sealed under an iv that is not its index is refused, though its tag is right', async (t) => {
  const message = craft({ frameIv: 7 })
  t.ok(openAnyway(message).equals(plaintext), 'the tag is right')
  await t.rejects(open(message, fileKey, context), { code: 'MDM_CONTAINER', details: { fault: 'iv' } })
})

t.test('a length that is not the one of the frames is refused', async (t) => {
  for (const said of ['5', '7', '65542']) {
    await t.rejects(
      open(craft({ context: withValue('mdm:plen', said) }), fileKey, context),
      { code: 'MDM_CONTAINER' },
      said,
    )
  }
})

/** Opens a crafted message as another library would, without the rules of the profile. */
function openAnyway(message: Buffer): Buffer {
  const frames = openMessage(message, ({ dataKeys: [key], contextBytes: aad }) =>
    unwrapDataKey(fileKey, key!.info.subarray(-12), key!.wrapped, aad),
  )
  return Buffer.concat([...frames])
}
