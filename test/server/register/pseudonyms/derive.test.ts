import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import t from 'tap'
import {
  patientPseudonym,
  pseudonymKeysOf,
  shiftedDate,
  uidPseudonym,
} from '../../../../packages/server/src/register/pseudonyms/derive.ts'

const keys = pseudonymKeysOf(createSecretKey(Buffer.from(Array.from({ length: 32 }, (_, i) => i))))
const others = pseudonymKeysOf(createSecretKey(randomBytes(32)))
const of = (patientId: string, issuer = '', study = '1.2.3') => ({ patientId, issuer, study })

t.test('a second implementation gets what docs/deidentification.md shows', async (t) => {
  const patient = of('4711', 'EXAMPLE HOSPITAL')
  t.equal(patientPseudonym(keys, patient), 'p1_uoaopvckh5gvbupffnkixehuqk')
  t.equal(patientPseudonym(keys, of('', '', '1.2.3.4')), 'p1_b2ha4hpgi5czycvsrm6vxraoka')
  t.equal(uidPseudonym(keys, '1.2.3.4'), '2.25.112469812101846772618005729514982731517')
  t.equal(shiftedDate(keys, patient, '2024-03-01'), '2023-11-09')
})

t.test('one patient has one pseudonym at a site, however his ID is padded or composed', async (t) => {
  const pseudonym = patientPseudonym(keys, of('Zoé-1', 'ISSUER'))
  t.match(pseudonym, /^p1_[a-z2-7]{26}$/)
  t.equal(patientPseudonym(keys, of(' Zoé-1 ', 'ISSUER ', '9.9')), pseudonym)
  t.equal(patientPseudonym(keys, of('Zoe\u0301-1', 'ISSUER')), pseudonym)
})

t.test('another ID, issuer or site gives another pseudonym', async (t) => {
  const all = [
    patientPseudonym(keys, of('1', 'AB')),
    patientPseudonym(keys, of('B1', 'A')),
    patientPseudonym(keys, of('1', 'A')),
    patientPseudonym(keys, of('2', 'A')),
    patientPseudonym(others, of('1', 'A')),
  ]
  t.equal(new Set(all).size, all.length)
  t.not(uidPseudonym(keys, '1.2.3'), uidPseudonym(others, '1.2.3'))
})

t.test('objects without a patient ID are one patient only within their study', async (t) => {
  const unknown = patientPseudonym(keys, of('  ', 'A', '1.2.3'))
  t.equal(patientPseudonym(keys, of('', 'B', '1.2.3')), unknown)
  t.not(patientPseudonym(keys, of('', 'A', '1.2.4')), unknown)
  t.not(patientPseudonym(keys, of('1.2.3', '', '1.2.3')), unknown)
})

t.test('the pseudonym is no bare hash: without the key a known ID does not give it', async (t) => {
  const pseudonym = patientPseudonym(keys, of('4711'))
  for (const algorithm of ['md5', 'sha1', 'sha256']) {
    for (const text of ['4711', '["patient","","4711"]']) {
      const hash = createHash(algorithm).update(text)
      t.notMatch(pseudonym, hash.digest('hex').slice(0, 8))
    }
  }
})

t.test('the UID that stands for another is a UID of DICOM and a UUID of version 8', async (t) => {
  for (let i = 0; i < 200; i++) {
    const uid = uidPseudonym(keys, `1.2.840.${i}`)
    t.match(uid, /^2\.25\.[1-9][0-9]{0,38}$/)
    const hex = BigInt(uid.slice(5)).toString(16).padStart(32, '0')
    t.match(hex, /^.{12}8.{3}[89ab]/)
  }
  t.equal(uidPseudonym(keys, '1.2.3 '), uidPseudonym(keys, '1.2.3'), 'padding is no part of a UID')
})

t.test('all days of a patient move back together, by 1 to 365 days', async (t) => {
  const days = (date: string, patient: string) =>
    (Date.parse(date) - Date.parse(shiftedDate(keys, of(patient), date))) / 86_400_000
  const shifts = new Set<number>()
  for (let i = 0; i < 2_000; i++) {
    const shift = days('2024-02-29', `patient ${i}`)
    if (shift < 1 || shift > 365 || !Number.isInteger(shift)) t.fail(`${shift} days`)
    if (i < 50) t.equal(days('1999-12-31', `patient ${i}`), shift)
    shifts.add(shift)
  }
  t.ok(shifts.size > 355, 'nearly every shift occurs')
})
