import { randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import t from 'tap'
import { adler32 } from '@mdm/core/crypto/adler32'

t.test('Adler-32 is that of zlib, in whatever pieces bytes come', async (t) => {
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('Wikipedia'),
    Buffer.alloc(1 << 20, 0xff),
    randomBytes(70_001),
  ]) {
    // A zlib stream ends in it (RFC 1950 section 2.2).
    const expected = deflateSync(bytes).subarray(-4).readUInt32BE()
    t.equal(adler32(bytes), expected)
    let sum = 1
    for (let at = 0; at < bytes.length; at += 9_999) sum = adler32(bytes.subarray(at, at + 9_999), sum)
    t.equal(sum, expected)
  }
})
