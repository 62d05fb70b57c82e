import { MdmError } from '@mdm/core/errors'
import { optional, print, required, type Command } from './command.ts'

const DAYS = '3650'

/** The certificate of a listener, before it ends. */
export const renew: Command = {
  words: 'renew',
  usage: '--config FILE [--days N]',
  summary: 'make a new certificate for the TLS key that the roster names',
  example: 'renew --config site.json --days 365',
  options: { config: { type: 'string' }, days: { type: 'string' } },
  async run(values) {
    const [{ z }, { readConfig, TlsFiles }, { renewServiceCertificate }] = await Promise.all([
      import('zod'),
      import('../config.ts'),
      import('../provision/renew.ts'),
    ])
    const days = optional(values, 'days') ?? DAYS
    if (!/^[0-9]{1,4}$/.test(days)) throw new MdmError('MDM_USAGE', '--days is not a number of days')
    const { config, path } = await readConfig(required(values, 'config'), z.object({ tls: TlsFiles }))
    const files = { certificate: path(config.tls.certificate), key: path(config.tls.key) }
    const until = await renewServiceCertificate(files, Number(days))
    print(`${files.certificate} is good until ${until.toISOString().slice(0, 10)}`)
    print('next: restart the server; nobody else needs to do anything')
  },
}
