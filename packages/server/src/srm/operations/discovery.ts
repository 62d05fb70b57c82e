import { SUCCESS, type Handler } from './operation.ts'

/** The one protocol that containers are transferred by. */
export const PROTOCOL = 'https'

/** srmPing: the version of the protocol, none of the software. @see SRM v2.2 section 7.3 */
export const ping: Handler<'srmPing'> = async () => ({
  versionInfo: 'v2.2',
  otherInfo: [{ key: 'backend_type', value: 'MDM' }],
})

/** srmGetTransferProtocols. @see SRM v2.2 section 7.2 */
export const getTransferProtocols: Handler<'srmGetTransferProtocols'> = async () => ({
  returnStatus: SUCCESS,
  protocolInfo: [{ transferProtocol: PROTOCOL }],
})
