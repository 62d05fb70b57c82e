import type { CertificateIdentity } from '@mdm/core/identity/certificate'
import { fault, good, warn, type Finding } from '@mdm/core/findings'

/** How long before its end a certificate is named. */
const AHEAD_DAYS = 30
const DAY_MS = 86_400_000

/**
 * Is a certificate good today, and for 30 days more?
 *
 * @param o `next` is what renews it
 */
export function checkValidity(
  { notBefore, notAfter }: Pick<CertificateIdentity, 'notBefore' | 'notAfter'>,
  o: { name: string; subject: string; now: Date; next: string },
): Finding {
  const { name, subject, now, next } = o
  const until = notAfter.toISOString().slice(0, 10)
  const days = Math.floor((notAfter.getTime() - now.getTime()) / DAY_MS)
  if (now < notBefore) {
    const from = notBefore.toISOString().slice(0, 10)
    return fault(name, subject, `not good before ${from}`, 'timedatectl, to see whether the clock is right')
  }
  if (now > notAfter) return fault(name, subject, `expired on ${until}`, next)
  if (days < AHEAD_DAYS) return warn(name, subject, `expires in ${days} days, on ${until}`, next)
  return good(name, subject, `good until ${until}`)
}
