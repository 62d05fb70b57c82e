import { readFileSync } from 'node:fs'
import { openMessage } from '@mdm/core/crypto/container/format'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import t from 'tap'
import { sharedVectors } from '../../fixtures/shared-data.ts'

interface Vector {
  comment: string
  ciphertext: string
  'decrypted-dek': string
  'plaintext-frames'?: string[]
  status: boolean
  'encryption-context': Record<string, string>
}

const file = sharedVectors('esdk-v2.json')
const FRAMED = 2
/** Counted in the file: 23 of our suite, 3 of them unframed, 3 that must fail. */
const EXPECTED = { opened: 17, failed: 3, suite: 22, unframed: 3 }

if (file === undefined) t.pass('skipped: the published vectors are not here')
else {
  const { tests } = JSON.parse(readFileSync(file, 'utf8')) as { tests: Vector[] }

  t.test(
    'the published vectors: each framed message of our suite opens or fails as published, the others are refused by name',
    (t) => {
      const seen = { opened: 0, failed: 0, suite: 0, unframed: 0 }
      for (const vector of tests) {
        const message = Buffer.from(vector.ciphertext, 'base64')
        const read = () => [...openMessage(message, () => Buffer.from(vector['decrypted-dek'], 'base64'))]
        if (message.readUInt16BE(1) !== 0x0478) {
          t.throws(read, { code: 'MDM_CONTAINER', details: { fault: 'suite' } }, vector.comment)
          seen.suite++
        } else if (contentType(message) !== FRAMED) {
          t.throws(read, { code: 'MDM_CONTAINER', details: { fault: 'unframed' } }, vector.comment)
          seen.unframed++
        } else if (vector.status) {
          t.equal(Buffer.concat(read()).toString(), vector['plaintext-frames']!.join(''), vector.comment)
          seen.opened++
        } else {
          t.throws(read, { code: 'MDM_COMMITMENT' }, vector.comment)
          seen.failed++
        }
      }
      t.equal(tests.length, 45)
      t.same(seen, EXPECTED)
      t.end()
    },
  )

  t.test('every published vector with one bit changed is refused', (t) => {
    let changed = 0
    for (const vector of tests) {
      const message = Buffer.from(vector.ciphertext, 'base64')
      const dataKey = Buffer.from(vector['decrypted-dek'], 'base64')
      for (let bit = 0; bit < message.length * 8; bit += 7) {
        message[bit >> 3]! ^= 1 << (bit & 7)
        try {
          for (const _ of openMessage(message, () => dataKey));
          t.fail(`${vector.comment}: bit ${bit}`)
        } catch (error) {
          if (!['MDM_CONTAINER', 'MDM_COMMITMENT'].includes((error as { code?: string }).code!)) throw error
          changed++
        }
        message[bit >> 3]! ^= 1 << (bit & 7)
      }
    }
    t.ok(changed > 30_000, `${changed} changes`)
    t.end()
  })

  t.test('none of the published vectors is a container of ours', (t) => {
    let refused = 0
    for (const { ciphertext, comment } of tests) {
      t.throws(
        () => parseContainerHeader(Buffer.from(ciphertext, 'base64')),
        { code: 'MDM_CONTAINER' },
        comment,
      )
      refused++
    }
    t.equal(refused, 45)
    t.end()
  })
}

/** Reads on to the content type by the published layout, apart from the reader that is tested. */
function contentType(message: Buffer): number {
  let at = 1 + 2 + 32
  at += 2 + message.readUInt16BE(at)
  let keys = message.readUInt16BE(at)
  for (at += 2; keys > 0; keys--) for (let field = 0; field < 3; field++) at += 2 + message.readUInt16BE(at)
  return message[at]!
}
