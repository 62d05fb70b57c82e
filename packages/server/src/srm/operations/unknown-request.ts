import { MdmError } from '@mdm/core/errors'

/**
 * Says of a token what SRM says of it: unknown, of another caller and forgotten are all SRM_INVALID_REQUEST, never a path that does
 * not exist.
 *
 * @throws MDM_BAD_REQUEST instead of MDM_NOT_FOUND
 */
export async function ofRequest<T>(found: Promise<T>): Promise<T> {
  try {
    return await found
  } catch (error) {
    throw error instanceof MdmError && error.code === 'MDM_NOT_FOUND'
      ? new MdmError('MDM_BAD_REQUEST')
      : error
  }
}
