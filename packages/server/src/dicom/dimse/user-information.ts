import { dimseError } from './faults.ts'
import { counted, ITEM, item, items, readCounted, readUid, textItem } from './items.ts'
import type { UserIdentity } from './types.ts'
import { IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION } from './uids.ts'

const MAX_ROLES = 128

/** SCP/SCU role selection (PS3.7 D.3.3.4). */
export interface Role {
  sopClass: string
  scu: boolean
  scp: boolean
}

/** What both sides say of themselves in an A-ASSOCIATE (PS3.8 annex D, PS3.7 annex D.3.3). */
export interface UserInformation {
  /** longest P-DATA-TF, bytes; 0 means no limit */
  maxPdu: number
  roles: readonly Role[]
  /** of the requestor */
  userIdentity?: (UserIdentity & { responseWanted?: boolean }) | undefined
  /** of the acceptor: it vouches for the identity that was sent */
  identityTaken?: boolean
}

export function encodeUserInformation({
  maxPdu,
  roles,
  userIdentity,
  identityTaken,
}: UserInformation): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(maxPdu)
  return item(ITEM.userInformation, [
    item(ITEM.maximumLength, [length]),
    textItem(ITEM.implementationClass, IMPLEMENTATION_CLASS),
    ...roles.map(({ sopClass, scu, scp }) =>
      item(ITEM.role, [counted(sopClass), Uint8Array.of(scu ? 1 : 0, scp ? 1 : 0)]),
    ),
    textItem(ITEM.implementationVersion, IMPLEMENTATION_VERSION),
    ...(userIdentity === undefined ? [] : [encodeIdentity(userIdentity)]),
    ...(identityTaken === true ? [item(ITEM.identityAc, [counted('')])] : []),
  ])
}

/** @throws MDM_SOURCE_PROTOCOL */
export function decodeUserInformation(bytes: Buffer): UserInformation {
  let maxPdu = 0
  let userIdentity: UserInformation['userIdentity']
  const roles: Role[] = []
  for (const { type, value } of items(bytes)) {
    if (type === ITEM.maximumLength && value.length >= 4) maxPdu = value.readUInt32BE(0)
    if (type === ITEM.identityRq) userIdentity = decodeIdentity(value)
    if (type !== ITEM.role) continue
    const sopClass = readCounted(value, 0)
    if (roles.length >= MAX_ROLES || value.length < sopClass.length + 4)
      throw dimseError('protocol', 'role selection is malformed')
    roles.push({ sopClass: readUid(sopClass), scu: value.at(-2) === 1, scp: value.at(-1) === 1 })
  }
  return { maxPdu, roles, userIdentity }
}

/** User name alone is type 1, with a passcode type 2 (PS3.7 D.3.3.7.1). */
function encodeIdentity({ user, password, responseWanted }: NonNullable<UserInformation['userIdentity']>) {
  const kind = Uint8Array.of(password === undefined ? 1 : 2, responseWanted === true ? 1 : 0)
  return item(ITEM.identityRq, [kind, counted(user), counted(password ?? '')])
}

function decodeIdentity(value: Buffer): UserInformation['userIdentity'] {
  if (value.length < 2) throw dimseError('protocol', 'the user identity is cut short')
  if (value[0] !== 1 && value[0] !== 2) return undefined // Kerberos, SAML, JWT: the server decides without
  const user = readCounted(value, 2)
  const password = value[0] === 2 ? readCounted(value, 4 + user.length) : undefined
  return {
    user: user.toString('utf8'),
    ...(password && { password: password.toString('utf8') }),
    responseWanted: value[1] === 1,
  }
}
