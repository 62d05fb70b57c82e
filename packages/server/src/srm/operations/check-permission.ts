import { refusal } from '@mdm/core/wire/srm/status'
import { placeOfSurl, refusalOfFile, statusOfAll, SUCCESS, type Call, type Handler } from './operation.ts'

/** srmCheckPermission: what the caller himself may do, which is to read at most. @see SRM v2.2 section 3.3 */
export const checkPermission: Handler<'srmCheckPermission'> = async (call) => {
  const permissions: Awaited<ReturnType<typeof permissionOf>>[] = []
  for (const surl of call.request.arrayOfSURLs) permissions.push(await permissionOf(call, surl))
  return {
    returnStatus: statusOfAll(permissions.map(({ status }) => status)),
    arrayOfPermissions: permissions,
  }
}

async function permissionOf(call: Call<'srmCheckPermission'>, surl: string) {
  const { caller, entries } = call
  const place = placeOfSurl(surl)
  if (place?.kind === 'folder') return { surl, status: SUCCESS, permission: 'RX' as const }
  if (place !== undefined)
    try {
      const { readable } = await entries.stat(caller, place.name)
      return { surl, status: SUCCESS, permission: readable ? ('R' as const) : ('NONE' as const) }
    } catch (error) {
      const { code, status } = refusalOfFile(error)
      call.refused(code, place)
      return { surl, status }
    }
  call.refused('MDM_NOT_FOUND')
  return { surl, status: refusal('MDM_NOT_FOUND') }
}
