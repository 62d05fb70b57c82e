import t from 'tap'
import { siteLayout } from '@mdm/server/backup/layout'
import { SiteConfig } from '@mdm/server/site-config'

const config = SiteConfig.parse({
  kind: 'site',
  site: 'hospital',
  listen: { host: '127.0.0.1', port: 0 },
  tls: { certificate: 'own.pem', key: 'own.key' },
  ...{
    signingKey: 's.key',
    rosters: 'rosters',
    store: 'db.sqlite',
    audit: 'log.jsonl',
    pseudonymKey: 'p.key',
  },
  spool: { dir: 'scratch', quotaBytes: 1_000_000 },
  srm: {
    ...{ host: 'localhost', port: 8446, listen: { host: '127.0.0.1', port: 8446 } },
    tls: { certificate: 'grid.pem', key: 'own.key' },
  },
  sources: [
    {
      name: 'pacs',
      url: 'dicoms://PACS@localhost:2762',
      tls: { ca: 'pacs-ca.pem' },
      credentials: 'pacs.txt',
    },
    { name: 'archive', url: 'archive' },
  ],
  dicom: {
    ...{ host: '127.0.0.1', port: 0, ae: 'MDM' },
    tls: { certificate: 'scp.pem', key: 'scp.key', ca: 'modalities.pem' },
  },
  hooks: { host: '127.0.0.1', port: 0, secretFile: 'hook.secret' },
  policy: [],
  ...{ crls: 'lists', vomsdir: 'trusted' },
})

t.test(
  'what a backup does not take is named by its whole path in the configuration that is restored',
  async (t) => {
    const { config: restored, files } = siteLayout(config, (relative) => `/etc/mdm/${relative}`)
    t.equal(restored.name, 'site.json')
    t.match(restored.value, {
      sources: [
        { tls: { ca: '/etc/mdm/pacs-ca.pem' }, credentials: '/etc/mdm/pacs.txt' },
        { url: '/etc/mdm/archive' },
      ],
      dicom: {
        ae: 'MDM',
        tls: { certificate: '/etc/mdm/scp.pem', key: '/etc/mdm/scp.key', ca: '/etc/mdm/modalities.pem' },
      },
      hooks: { secretFile: '/etc/mdm/hook.secret' },
      ...{ crls: '/etc/mdm/lists', vomsdir: '/etc/mdm/trusted' },
      tls: { certificate: 'tls.pem', key: 'tls.key' },
      srm: { port: 8446, tls: { certificate: 'host.pem', key: 'host.key' } },
    })
    t.match(
      files.filter(({ name }) => name.startsWith('host')),
      [
        { name: 'host.key', path: '/etc/mdm/own.key', secret: true },
        { name: 'host.pem', path: '/etc/mdm/grid.pem', secret: false },
      ],
    )
    t.ok(SiteConfig.safeParse(restored.value).success, 'and it is one')
  },
)
