import type { Caller } from '@mdm/core/identity/identify'
import type { AuditCaller } from './audit.ts'

/** A caller as the audit log names it. */
export function auditCaller(caller: Caller): AuditCaller {
  const { dn, issuer, spki } = caller
  const { proxy, fqans = [] } = caller.kind === 'user' ? caller : {}
  return {
    ...{ dn, issuer, spki },
    ...(proxy === undefined ? {} : { proxy }),
    ...(fqans.length === 0 ? {} : { fqans }),
  }
}
