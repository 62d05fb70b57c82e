import { createSecretKey, randomBytes, randomInt } from 'node:crypto'
import { buildDecrypt } from '@aws-crypto/decrypt-node'
import { buildEncrypt } from '@aws-crypto/encrypt-node'
import { RawAesKeyringNode, RawAesWrappingSuiteIdentifier } from '@aws-crypto/raw-aes-keyring-node'
import { openMessage } from '@mdm/core/crypto/container/format'
import { FRAME_BYTES } from '@mdm/core/crypto/container/profile'
import { unwrapDataKey } from '@mdm/core/crypto/container/suite'
import t from 'tap'
import { sampleContext, seal } from './container-samples.ts'

const { encrypt } = buildEncrypt()
const { decrypt } = buildDecrypt()

/** The file key as another program would use it: the wrapping key of a raw AES keyring. */
const keyring = (fileKey: Buffer, kid: string) =>
  new RawAesKeyringNode({
    keyNamespace: 'mdm',
    keyName: kid,
    // The library wipes what it is given, and asks for memory that is nobody else's.
    unencryptedMasterKey: new Uint8Array(fileKey),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  })

const sizes = [
  0,
  1,
  FRAME_BYTES - 1,
  FRAME_BYTES,
  FRAME_BYTES + 1,
  2 * FRAME_BYTES,
  ...Array.from({ length: 60 }, () => randomInt(0, 300_000)),
]

t.test('the AWS Encryption SDK opens our containers with the file key', async (t) => {
  for (const size of sizes) {
    const fileKey = randomBytes(32)
    const context = sampleContext(size)
    const plaintext = randomBytes(size)
    const container = await seal(context, createSecretKey(fileKey), plaintext)
    const { plaintext: opened, messageHeader } = await decrypt(keyring(fileKey, context.kid), container)
    t.ok(opened.equals(plaintext), `${size} bytes`)
    t.same(
      { ...messageHeader.encryptionContext },
      {
        'mdm:cty': 'application/x-mdm-volume;v=1',
        'mdm:guid': context.guid,
        'mdm:kid': context.kid,
        'mdm:plen': String(size),
        'mdm:prof': 'mdm-1',
        'mdm:site': 'demo',
        'mdm:ver': '1',
      },
    )
    await t.rejects(decrypt(keyring(randomBytes(32), context.kid), container), 'not with another key')
  }
})

t.test('we open framed messages of the AWS Encryption SDK, at any frame length and context', async (t) => {
  for (const size of sizes) {
    const fileKey = randomBytes(32)
    const plaintext = randomBytes(size)
    const { result } = await encrypt(keyring(fileKey, 'k'), plaintext, {
      suiteId: 0x0478,
      frameLength: size % 2 === 0 ? FRAME_BYTES : randomInt(size < 5000 ? 16 : 1000, FRAME_BYTES),
      ...(size % 3 === 0 ? {} : { encryptionContext: { b: 'two', a: 'one' } }),
    })
    const frames = openMessage(result, ({ dataKeys: [key], contextBytes }) =>
      unwrapDataKey(createSecretKey(fileKey), key!.info.subarray(-12), key!.wrapped, contextBytes),
    )
    t.ok(Buffer.concat([...frames]).equals(plaintext), `${size} bytes`)
  }
})

t.test(
  'messages of the AWS Encryption SDK that are signed or have no frames are refused by name',
  async (t) => {
    const fileKey = randomBytes(32)
    const signed = await encrypt(keyring(fileKey, 'k'), Buffer.from('x'))
    t.throws(() => [...openMessage(signed.result, () => fileKey)], {
      code: 'MDM_CONTAINER',
      details: { fault: 'suite' },
    })
  },
)
