import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { base32 } from './base32.ts'

/** First letters of every pseudonym; another key would make another generation. `p0` was made by a key on the disk of the site. */
export const GENERATION = 'p1'

/** 26 characters of base32 are 130 bits. */
const LENGTH = 26
const DAYS = 365
const DAY_MS = 86_400_000

/** A key of its own for each kind of pseudonym, so that none says anything of another. */
export interface PseudonymKeys {
  readonly patient: KeyObject
  readonly uid: KeyObject
  readonly day: KeyObject
}

/** Whom an object is of: its patient ID and who issued it, never a name; the study where there is no patient ID. */
export interface PatientIdentity {
  readonly issuer: string
  readonly patientId: string
  readonly study: string
}

/** @param secret the pseudonym key, 32 bytes, as m key servers give it */
export function pseudonymKeysOf(secret: KeyObject): PseudonymKeys {
  const derived = (purpose: string) => createSecretKey(createHmac('sha256', secret).update(purpose).digest())
  return {
    patient: derived('mdm-patient-pseudonym-v1'),
    uid: derived('mdm-uid-pseudonym-v1'),
    day: derived('mdm-day-shift-v1'),
  }
}

/**
 * The pseudonym of a patient: nobody can compute it, and so test guesses, without the key.
 *
 * `p1_` + base32 (RFC 4648, lower case) of HMAC-SHA-256 over the issuer and the patient ID, both NFC and without spaces around.
 * An object without a patient ID gets one of its own study, so that unknown patients are never taken for one.
 *
 * @see docs/deidentification.md; paper 5.3 asks for a field that is "unique but irreversible"
 */
export function patientPseudonym({ patient }: PseudonymKeys, of: PatientIdentity): string {
  return `${GENERATION}_${base32(mac(patient, identityOf(of))).slice(0, LENGTH)}`
}

/** A UID that stands for another: `2.25.` and a UUID (DICOM PS3.5 B.2) of version 8 (RFC 9562) made of the HMAC of the UID. */
export function uidPseudonym({ uid: key }: PseudonymKeys, uid: string): string {
  const bytes = mac(key, uid.trim()).subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return `2.25.${BigInt(`0x${bytes.toString('hex')}`)}`
}

/** A day moved back by as many days, 1 to 365, as the patient has for all his dates. @param date YYYY-MM-DD */
export function shiftedDate({ day }: PseudonymKeys, of: PatientIdentity, date: string): string {
  const days = (mac(day, identityOf(of)).readUIntBE(0, 6) % DAYS) + 1
  return new Date(Date.parse(`${date}T00:00:00Z`) - days * DAY_MS).toISOString().slice(0, 10)
}

function mac(key: KeyObject, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** JSON keeps the parts apart: "a" + "bc" is not "ab" + "c". */
function identityOf(of: PatientIdentity): string {
  const [issuer, patientId] = [normal(of.issuer), normal(of.patientId)]
  return JSON.stringify(patientId === '' ? ['study', of.study] : ['patient', issuer, patientId])
}

function normal(text: string): string {
  return text.normalize('NFC').trim()
}
