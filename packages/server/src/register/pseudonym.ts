import { createHmac, type KeyObject } from 'node:crypto'
import type { TableRows } from '../volume/plan.ts'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
/** 26 characters of base32 are 130 bits. */
const LENGTH = 26

/**
 * The pseudonym of a patient: nobody can compute it, and so test guesses, without the key of the site.
 *
 * `p0_` + base32 (RFC 4648, lower case) of HMAC-SHA-256 over the issuer and the patient id, both NFC and without spaces around.
 * An object without a patient id gets one of its own study, so that unknown patients are never taken for one.
 *
 * @see decision 8; paper 5.3 asks for a field that is "unique but irreversible"
 */
export function patientPseudonym(
  key: KeyObject,
  of: { issuer: string; patientId: string; study: string },
): string {
  const [issuer, patientId] = [normal(of.issuer), normal(of.patientId)]
  // JSON keeps the parts apart: "a" + "bc" is not "ab" + "c".
  const identity = patientId === '' ? ['study', of.study] : ['patient', issuer, patientId]
  const mac = createHmac('sha256', key)
    .update(`mdm-pid-v1\n${JSON.stringify(identity)}`)
    .digest()
  return `p0_${base32(mac).slice(0, LENGTH)}`
}

/** The rows of a plan with the pseudonym in Patient and Image, which it relates. */
export function withPseudonym(tables: TableRows, key: KeyObject, study: string): TableRows {
  const { issuer_of_patient_id: issuer, source_patient_id: patientId } = tables.patient
  const pseudonym = patientPseudonym(key, {
    issuer: String(issuer ?? ''),
    patientId: String(patientId ?? ''),
    study,
  })
  return {
    ...tables,
    patient: { ...tables.patient, patient_id: pseudonym },
    image: { ...tables.image, patient_id: pseudonym },
  }
}

function normal(text: string): string {
  return text.normalize('NFC').trim()
}

function base32(bytes: Buffer): string {
  let text = ''
  let value = 0
  let bits = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET[(value >>> bits) & 31]
    }
    value &= (1 << bits) - 1
  }
  return text
}
