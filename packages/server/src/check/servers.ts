import { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, type Finding } from '@mdm/core/findings'
import type { SourceConfig } from '../dicom/source-config.ts'
import type { SourceProbe } from '../dicom/source.ts'
import { openSource } from '../dicom/sources/index.ts'

/**
 * Tries a PACS as the site would: connects, asks what is there and retrieves two objects.
 *
 * @param config with absolute paths
 */
export async function checkServer(config: SourceConfig): Promise<Finding> {
  const { name } = config
  try {
    const source = await openSource(config)
    try {
      return finding(config, await source.probe())
    } finally {
      await source.close()
    }
  } catch (error) {
    if (!(error instanceof MdmError)) throw error
    return fault('source', name, error.message, `mend source "${name}" in site.json, then restart the site`)
  }
}

function finding(config: SourceConfig, { steps, methods }: SourceProbe): Finding {
  const isWay = ({ step }: { step: string }) => methods.includes(step)
  const way = methods.find((method) => steps.some(({ step, ok }) => ok && step === method))
  const failed = steps.find((step) => !step.ok && (way === undefined || !isWay(step)))
  if (failed === undefined) {
    const how =
      way === undefined ? 'it answers, and has no series yet' : `it answers, and gives images by ${way}`
    return good('source', config.name, how)
  }
  const message = `${failed.step} fails: ${failed.note}`
  return fault('source', config.name, message, nextStep(config, failed, failed === steps[0]))
}

/** Who has to do what, on which side. */
function nextStep(
  { name, url, callingAe, tls }: SourceConfig,
  { step, code }: SourceProbe['steps'][number],
  isFirst: boolean,
): string {
  const { protocol, hostname, port } = new URL(url)
  const isWeb = protocol.startsWith('dicomweb')
  const here = `of source "${name}" in site.json`
  const who = isWeb
    ? 'the user of "credentials"'
    : `application entity ${callingAe}, as it calls from this machine`
  if (!isFirst) return `have the administrator of the PACS allow ${who}, what fails ("${step}")`
  if (code !== 'MDM_SOURCE_REFUSED') {
    const known = { 'dicom:': '104', 'dicoms:': '2762', 'dicomweb+http:': '80' }[protocol] ?? '443'
    const words = `${shellWord(hostname.replace(/^\[|\]$/g, ''))} ${port === '' ? known : port}`
    return `see that the PACS runs and its port is open to this machine ("nc -vz ${words}"), or mend "url" ${here}`
  }
  const secured = tls === undefined ? '' : `, and that "ca" in "tls" ${here} is that of its certificate`
  return `have the administrator of the PACS enter ${who}; see that its own title in "url" ${here} is right${secured}`
}
