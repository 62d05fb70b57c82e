import { once } from 'node:events'
import { createServer } from 'node:net'
import { fault, good, warn, type Finding } from '@mdm/core/findings'
import type { SiteConfig } from '../site-config.ts'

type Sources = SiteConfig['sources']
type Checked = Pick<SiteConfig, 'dicom' | 'hooks'> & {
  readonly srm?: Pick<SiteConfig['srm'], 'listen'>
  readonly sources: Sources
}

/**
 * Can the listeners for grid clients, C-STORE and web hooks be opened, and is every sender the sender of one source?
 *
 * @param o `runs`: the site answers, so its ports are in use by itself
 */
export async function checkListeners(config: Checked, o: { runs: boolean }): Promise<Finding[]> {
  const { dicom, hooks, sources } = config
  const addresses = [config.srm?.listen, dicom, hooks].filter((address) => address !== undefined)
  return [
    ...(await Promise.all(addresses.map((address) => checkAddress(address, o.runs)))),
    ...sources.flatMap((source) => checkPushes(source, sources, dicom !== undefined)),
  ]
}

async function checkAddress({ host, port }: { host: string; port: number }, runs: boolean): Promise<Finding> {
  const subject = `${host} port ${port}`
  const code = await tryListen(host, port)
  if (code === undefined)
    return runs
      ? fault('listener', subject, 'the site runs, and nothing listens there', 'restart the site')
      : good('listener', subject, 'it can be listened on')
  if (code === 'EADDRINUSE')
    return runs
      ? good('listener', subject, 'it is listened on')
      : fault('listener', subject, 'another program listens there', `ss -ltnp "sport = :${port}"`)
  if (code === 'EACCES')
    return fault(
      'listener',
      subject,
      'only root may listen there',
      'take a port above 1023, such as 11112, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE',
    )
  return fault('listener', subject, 'it is no address of this machine', 'ip -brief address')
}

/** @returns the fault of the system; undefined when it could be listened on */
async function tryListen(host: string, port: number): Promise<string | undefined> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
    server.close()
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}

function checkPushes(source: Sources[number], sources: Sources, listens: boolean): Finding[] {
  const { name, pushes } = source
  if (pushes === undefined) return []
  if (!listens)
    return [
      warn(
        'pushes',
        name,
        'it has a sender, and the site has no C-STORE listener',
        'add "dicom" to site.json, then restart the site',
      ),
    ]
  const same = sources.find(
    (other) =>
      other.name !== name &&
      other.pushes?.ae === pushes.ae &&
      other.pushes.addresses.some((address) => pushes.addresses.includes(address)),
  )
  if (same === undefined) return []
  const next = 'give each an AE title, an address or a certificate of its own in "pushes"'
  return [fault('pushes', name, `its sender is that of source "${same.name}" too, so neither is heard`, next)]
}
