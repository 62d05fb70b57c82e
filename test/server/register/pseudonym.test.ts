import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import t from 'tap'
import { patientPseudonym } from '../../../packages/server/src/register/pseudonym.ts'

const key = createSecretKey(Buffer.alloc(32, 7))
const of = (patientId: string, issuer = '', study = '1.2.3') => ({ patientId, issuer, study })

t.test('one patient has one pseudonym at a site, however his id is padded or composed', async (t) => {
  const pseudonym = patientPseudonym(key, of('Zoé-1', 'ISSUER'))
  t.match(pseudonym, /^p0_[a-z2-7]{26}$/)
  t.equal(patientPseudonym(key, of(' Zoé-1 ', 'ISSUER ', '9.9')), pseudonym)
  t.equal(patientPseudonym(key, of('Zoe\u0301-1', 'ISSUER')), pseudonym)
})

t.test('another id, issuer or site key gives another pseudonym', async (t) => {
  const all = [
    patientPseudonym(key, of('1', 'AB')),
    patientPseudonym(key, of('B1', 'A')),
    patientPseudonym(key, of('1', 'A')),
    patientPseudonym(key, of('2', 'A')),
    patientPseudonym(createSecretKey(randomBytes(32)), of('1', 'A')),
  ]
  t.equal(new Set(all).size, all.length)
})

t.test('objects without a patient id are one patient only within their study', async (t) => {
  const unknown = patientPseudonym(key, of('  ', 'A', '1.2.3'))
  t.equal(patientPseudonym(key, of('', 'B', '1.2.3')), unknown)
  t.not(patientPseudonym(key, of('', 'A', '1.2.4')), unknown)
  t.not(patientPseudonym(key, of('1.2.3', '', '1.2.3')), unknown)
})

t.test('the pseudonym is no bare hash: without the key a known id does not give it', async (t) => {
  const pseudonym = patientPseudonym(key, of('4711'))
  for (const algorithm of ['md5', 'sha1', 'sha256']) {
    for (const text of ['4711', 'mdm-pid-v14711', 'mdm-pid-v1\n["patient","","4711"]']) {
      const hash = createHash(algorithm).update(text)
      t.notMatch(pseudonym, hash.digest('hex').slice(0, 8))
    }
  }
})
