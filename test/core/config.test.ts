import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import {
  addRoster,
  defaultConfigFile,
  loadConfig,
  saveConfig,
  storedConfig,
  trustedRoster,
  type ClientConfig,
} from '@mdm/core/config'
import { rosterFingerprint, signRoster } from '@mdm/core/identity/roster'
import type { SiteId } from '@mdm/core/names'
import { certificate, ec, name } from './identity/certificates.ts'
import { after, sampleSite, trusted } from './identity/roster-samples.ts'

const sample = sampleSite()
const first = await trusted(sample.body, sample.signer)
const FIRST = first.jws
const FINGERPRINT = rosterFingerprint(FIRST)

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'mdm-config-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** A configuration file with this content, and the path to it. */
async function written(t: Test, content: unknown): Promise<string> {
  const file = join(await folder(t), 'config.json')
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

/** A new configuration that names nothing yet, in a folder that does not exist yet. */
async function fresh(t: Test): Promise<ClientConfig> {
  return { file: join(await folder(t), 'new', 'mdm', 'config.json'), sites: {} }
}

const mode = async (path: string) => (await stat(path)).mode & 0o777

/** Every file below a folder that is not a configuration or a roster: what a broken-off write would leave. */
async function leftovers(dir: string): Promise<string[]> {
  const files = await readdir(dir, { recursive: true, withFileTypes: true })
  return files.filter((f) => f.isFile() && !/^config\.json$|\.jws$/.test(f.name)).map((f) => f.name)
}

t.test('flags come before the environment, the environment before the file', async (t) => {
  const file = await written(t, {
    site: 'in-file',
    credential: { certificate: 'file.pem', key: 'file.key' },
    sites: {},
  })
  const env = { MDM_CONFIG: file, MDM_SITE: 'in-env', MDM_CERT: '/env.pem', MDM_KEY: '/env.key' }
  const flags = { site: 'in-flag', cert: '/flag.pem', key: '/flag.key' }
  t.match(await loadConfig(flags, env), {
    file,
    site: 'in-flag',
    credential: { certificate: '/flag.pem', key: '/flag.key' },
  })
  t.match(await loadConfig({}, env), {
    site: 'in-env',
    credential: { certificate: '/env.pem', key: '/env.key' },
  })
  t.match(await loadConfig({ config: file }, {}), { site: 'in-file' })
  const other = await written(t, { site: 'in-other' })
  t.match(await loadConfig({ config: other }, env), { file: other, site: 'in-env' }, 'one by one')
  t.equal((await loadConfig({ config: other }, { MDM_CONFIG: file })).site, 'in-other')
})

t.test('without a name the file is looked for where the desktop keeps such files', async (t) => {
  const dir = await folder(t)
  await mkdir(join(dir, 'mdm'))
  await writeFile(join(dir, 'mdm', 'config.json'), '{"site":"home"}')
  t.equal((await loadConfig({}, { XDG_CONFIG_HOME: dir })).site, 'home')
  const nothing = await loadConfig({}, { XDG_CONFIG_HOME: join(dir, 'none') })
  t.match(nothing, { site: undefined, credential: undefined, sites: {} }, 'and need not be there')
  t.match(defaultConfigFile({}), /\/\.config\/mdm\/config\.json$/)
})

t.test('a variable that is set to nothing is not set', async (t) => {
  const dir = await folder(t)
  await mkdir(join(dir, 'mdm'))
  await writeFile(join(dir, 'mdm', 'config.json'), '{"site":"home"}')
  const env = { MDM_CONFIG: '', MDM_SITE: '', MDM_CERT: '', MDM_KEY: '', XDG_CONFIG_HOME: dir }
  t.match(await loadConfig({}, env), { site: 'home', credential: undefined })
  t.equal(defaultConfigFile({ XDG_CONFIG_HOME: '' }), defaultConfigFile({}))
})

t.test('paths of the file are seen from the file, those of flags from here', async (t) => {
  const file = await written(t, {
    credential: { certificate: 'me.pem', key: '../keys/me.key' },
    sites: { demo: { roster: 'rosters/demo.jws' }, far: { roster: '/far.jws' } },
  })
  const dir = join(file, '..')
  t.match(await loadConfig({ config: file }, {}), {
    credential: { certificate: join(dir, 'me.pem'), key: join(dir, '..', 'keys', 'me.key') },
    sites: { demo: { roster: join(dir, 'rosters/demo.jws') }, far: { roster: '/far.jws' } },
  })
  t.match(await loadConfig({ config: file, cert: 'a.pem', key: 'b.key' }, {}), {
    credential: { certificate: join(process.cwd(), 'a.pem'), key: join(process.cwd(), 'b.key') },
  })
})

t.test('what is saved is loaded again, with paths near the file kept short', async (t) => {
  const config = await fresh(t)
  const dir = join(config.file, '..')
  const full: ClientConfig = {
    file: config.file,
    site: 'demo' as SiteId,
    credential: { certificate: join(dir, 'me.pem'), key: '/elsewhere/me.key' },
    sites: { demo: { roster: join(dir, 'rosters', 'demo.jws') } },
  }
  await saveConfig(full)
  t.same(await loadConfig({ config: config.file }, {}), full)
  t.same(JSON.parse(await readFile(config.file, 'utf8')), {
    site: 'demo',
    credential: { certificate: 'me.pem', key: '/elsewhere/me.key' },
    sites: { demo: { roster: 'rosters/demo.jws' } },
  })
})

t.test('the SRM service and the folder of CAs are kept and overridden like all else', async (t) => {
  const file = await written(t, { srm: 'srm://SE.example.org:8446', caDir: 'cas' })
  const [srm, caDir] = ['srm://se.example.org:8446/srm/managerv2', join(file, '..', 'cas')]
  t.match(await loadConfig({ config: file }, {}), { srm, caDir })
  const env = { MDM_CONFIG: file, MDM_SRM: 'httpg://b/srm', X509_CERT_DIR: '/grid/cas' }
  t.match(await loadConfig({}, env), { srm: 'srm://b:8443/srm', caDir: '/grid/cas' })
  t.match(await loadConfig({ srm: 'srm://c:1', 'ca-dir': '/my/cas' }, env), {
    srm: 'srm://c:1/srm/managerv2',
    caDir: '/my/cas',
  })
  await t.rejects(loadConfig({ srm: 'https://c' }, env), { code: 'MDM_CONFIG' })
  await saveConfig(await loadConfig({ config: file }, {}))
  t.match(JSON.parse(await readFile(file, 'utf8')), { srm, caDir: 'cas' })
})

t.test('what the environment adds is not what is stored', async (t) => {
  const file = await written(t, { site: 'in-file', sites: {} })
  t.strictSame(
    Object.entries(await storedConfig(file)).filter(([, value]) => value !== undefined),
    [
      ['file', file],
      ['site', 'in-file'],
      ['sites', {}],
    ],
  )
  const { file: none } = await fresh(t)
  t.strictSame(await storedConfig(none), { file: none, sites: {} }, 'and where there is none it is empty')
})

t.test('a malformed or missing file is said to be so', async (t) => {
  const contents = {
    empty: '',
    'no JSON': '{site: demo}',
    'a list': '[]',
    'a field we do not know': { sites: {}, password: 'x' },
    'half a credential': { credential: { key: 'x' } },
    'a site that is no name': { site: 'Demo Site' },
    'a roster without path': { sites: { demo: {} } },
    'a site key that is no name': { sites: { 'Demo Site': { roster: 'x' } } },
  }
  for (const [what, content] of Object.entries(contents))
    await t.rejects(loadConfig({ config: await written(t, content) }, {}), { code: 'MDM_CONFIG' }, what)
  const dir = await folder(t)
  await t.rejects(loadConfig({ config: join(dir, 'none.json') }, {}), { code: 'MDM_CONFIG' }, 'a missing one')
  await t.rejects(loadConfig({}, { MDM_CONFIG: join(dir, 'none.json') }), { code: 'MDM_CONFIG' })
  await t.rejects(loadConfig({ config: dir }, {}), { code: 'MDM_CONFIG' }, 'a folder')
  await mkdir(join(dir, 'mdm'))
  await symlink('config.json', join(dir, 'mdm', 'config.json'))
  await t.rejects(
    loadConfig({}, { XDG_CONFIG_HOME: dir }),
    { code: 'MDM_CONFIG' },
    'one that goes in circles',
  )
})

t.test('a file that holds certificate and key needs no second one', async (t) => {
  const config = await written(t, { credential: { certificate: 'me.pem' } })
  const dir = dirname(config)
  const own = { certificate: join(dir, 'me.pem'), key: join(dir, 'me.pem') }
  const loaded = await loadConfig({ config }, {})
  t.strictSame(loaded.credential, own)
  await saveConfig(loaded)
  t.strictSame(JSON.parse(await readFile(config, 'utf8')).credential, { certificate: 'me.pem' })
  const proxy = { certificate: '/proxy.pem', key: '/proxy.pem' }
  t.strictSame((await loadConfig({ config, cert: '/proxy.pem' }, {})).credential, proxy)
  t.strictSame((await loadConfig({ config }, { MDM_CERT: '/proxy.pem' })).credential, proxy)
  const other = { MDM_CERT: '/env.pem', MDM_KEY: '/env.key' }
  t.strictSame(
    (await loadConfig({ config, cert: '/proxy.pem' }, other)).credential,
    proxy,
    'not the key of another',
  )
})

t.test('what grid tools set comes after our own variables and before the file', async (t) => {
  const config = await written(t, { credential: { certificate: '/file.pem', key: '/file.key' } })
  const grid = { X509_USER_PROXY: '/tmp/x509up', X509_USER_CERT: '/cert.pem', X509_USER_KEY: '/key.pem' }
  const chosen = async (env: NodeJS.ProcessEnv) => (await loadConfig({ config }, env)).credential
  t.strictSame(await chosen(grid), { certificate: '/tmp/x509up', key: '/tmp/x509up' })
  t.strictSame(await chosen({ ...grid, X509_USER_PROXY: '' }), { certificate: '/cert.pem', key: '/key.pem' })
  t.strictSame(await chosen({ X509_USER_CERT: '/cert.pem' }), { certificate: '/file.pem', key: '/file.key' })
  const ours = { ...grid, MDM_CERT: '/env.pem', MDM_KEY: '/env.key' }
  t.strictSame(await chosen(ours), { certificate: '/env.pem', key: '/env.key' })
})

t.test('half a credential, or a name that is none, is refused', async (t) => {
  const config = await written(t, {})
  await t.rejects(loadConfig({ config }, { MDM_KEY: 'a.key' }), { code: 'MDM_CONFIG' })
  await t.rejects(loadConfig({ config, key: 'a.key' }, {}), { code: 'MDM_CONFIG' })
  await t.rejects(loadConfig({ config, site: '../x' }, {}), { code: 'MDM_CONFIG' })
  t.match(await loadConfig({ config, cert: '/a.pem' }, { MDM_KEY: '/b.key' }), {
    credential: { certificate: '/a.pem', key: '/b.key' },
  })
})

t.test(
  'a first roster is accepted by its fingerprint only, and nothing is kept of one that is not',
  async (t) => {
    const config = await fresh(t)
    const changed = `${FIRST.slice(0, -4)}AAAA`
    const refused: [string, string, string | undefined][] = [
      ['no fingerprint', FIRST, undefined],
      ['an empty one', FIRST, ''],
      ['another one', FIRST, rosterFingerprint(changed)],
      ['a part of it', FIRST, FINGERPRINT.slice(0, -1)],
      ['a changed roster with its own fingerprint', changed, rosterFingerprint(changed)],
      ['no roster at all', 'roster', rosterFingerprint('roster')],
    ]
    for (const [what, jws, fingerprint] of refused) {
      const o = fingerprint === undefined ? {} : { fingerprint }
      await t.rejects(addRoster(config, jws, o), { code: 'MDM_ROSTER' }, what)
    }
    await t.rejects(stat(join(config.file, '..')), { code: 'ENOENT' }, 'nothing was written')

    const { config: kept, roster } = await addRoster(config, `${FIRST}\n`, {
      fingerprint: FINGERPRINT.toUpperCase().replaceAll(' ', '-'),
    })
    t.equal(roster.digest, first.digest)
    t.equal(kept.site, 'demo', 'the first site is the one that is meant')
    const loaded = await loadConfig({ config: config.file }, {})
    t.same(loaded.sites, kept.sites)
    t.equal((await trustedRoster(loaded)).digest, first.digest)
  },
)

t.test('what is written is for its owner only, and nothing half-written stays', async (t) => {
  const config = await fresh(t)
  const { config: kept } = await addRoster(config, FIRST, { fingerprint: FINGERPRINT })
  const dir = join(config.file, '..')
  t.equal(await mode(config.file), 0o600)
  t.equal(await mode(kept.sites.demo!.roster), 0o600)
  t.equal(await mode(dir), 0o700)
  t.equal(await mode(join(dir, 'rosters')), 0o700)
  t.same(await leftovers(dir), [])
})

t.test(
  'whoever reads while many write sees one whole file, and the writers do not hinder each other',
  async (t) => {
    const config = await fresh(t)
    const sized = (n: number): ClientConfig => ({
      ...config,
      sites: Object.fromEntries(Array.from({ length: n }, (_, i) => [`s${i}`, { roster: `/${n}` }])),
    })
    await saveConfig(sized(1))
    let writing = true
    const seen = (async () => {
      const sizes = new Set<number>()
      while (writing) {
        const sites = Object.values((await loadConfig({ config: config.file }, {})).sites)
        if (!sites.every((s) => s.roster === `/${sites.length}`)) throw new Error('a mixture')
        sizes.add(sites.length)
      }
      return sizes.size
    })()
    for (let round = 0; round < 5; round++)
      await Promise.all([400, 1, 200, 800].map((n) => saveConfig(sized(n + round))))
    writing = false
    t.ok((await seen) >= 1, 'every read was of one whole file')
    t.same(await leftovers(join(config.file, '..')), [])
  },
)

t.test('a write that fails leaves the old file and nothing beside it', async (t) => {
  const config = await fresh(t)
  const { config: kept } = await addRoster(config, FIRST, { fingerprint: FINGERPRINT })
  const before = await readFile(config.file, 'utf8')
  const dir = join(config.file, '..')
  await mkdir(join(dir, 'taken', 'inside'), { recursive: true })
  await t.rejects(saveConfig({ ...kept, file: join(dir, 'taken') }), { code: 'EISDIR' })
  t.equal(await readFile(config.file, 'utf8'), before)
  t.same(await leftovers(dir), [])
})

t.test('a later roster follows by itself, a change of authority does not', async (t) => {
  const config = (await addRoster(await fresh(t), FIRST, { fingerprint: FINGERPRINT })).config
  const second = after(first, { api: 'https://moved.example.org' })
  const secondJws = await signRoster(second, sample.signer)
  const held = async () => (await trustedRoster(await loadConfig({ config: config.file }, {}))).body.api

  const caKey = ec()
  const ca = certificate({ subject: name(['CN', 'Second CA']), key: caKey, ca: true, keyUsage: 0x06 })
  const added = { certificate: ca.raw.toString('base64'), nameSpaces: sample.body.userCas[0]!.nameSpaces }
  const stranger = sampleSite()
  const refused = {
    'one that skips a number': await signRoster({ ...second, seq: 3 }, sample.signer),
    'one of another past': await signRoster({ ...second, prev: 'ab'.repeat(32) }, sample.signer),
    'one by a stranger': await signRoster(
      { ...second, signingKeys: stranger.body.signingKeys },
      stranger.signer,
    ),
    'one with a new CA': await signRoster({ ...second, userCas: [...second.userCas, added] }, sample.signer),
    'one with another administrator': await signRoster(
      { ...second, administrators: stranger.body.administrators },
      sample.signer,
    ),
  }
  for (const [what, jws] of Object.entries(refused)) {
    await t.rejects(addRoster(config, jws, {}), { code: 'MDM_ROSTER' }, what)
    t.equal(await held(), sample.body.api, `${what}: the one held stays`)
  }
  await t.rejects(
    addRoster(config, refused['one by a stranger'], {
      fingerprint: rosterFingerprint(refused['one by a stranger']),
    }),
    { code: 'MDM_ROSTER' },
    'a fingerprint does not make a stranger a signer',
  )

  t.equal((await addRoster(config, FIRST, {})).roster.digest, first.digest, 'the one held again is fine')
  await addRoster(config, secondJws, {})
  t.equal(await held(), 'https://moved.example.org')
  await t.rejects(addRoster(config, FIRST, {}), { code: 'MDM_ROSTER' }, 'there is no way back')
  t.equal(await held(), 'https://moved.example.org')
})

t.test('a change of authority is accepted by its fingerprint', async (t) => {
  const config = (await addRoster(await fresh(t), FIRST, { fingerprint: FINGERPRINT })).config
  const administrators = [...sample.body.administrators, ...sampleSite().body.administrators]
  const next = await signRoster(after(first, { administrators }), sample.signer)
  await t.rejects(addRoster(config, next, {}), { code: 'MDM_ROSTER' })
  await t.rejects(addRoster(config, next, { fingerprint: FINGERPRINT }), { code: 'MDM_ROSTER' })
  const { roster } = await addRoster(config, next, { fingerprint: rosterFingerprint(next) })
  t.equal(roster.body.administrators.length, 2)
})

t.test('one of several sites must be chosen', async (t) => {
  const other = sampleSite('other')
  const otherJws = (await trusted(other.body, other.signer)).jws
  const one = (await addRoster(await fresh(t), FIRST, { fingerprint: FINGERPRINT })).config
  const { config } = await addRoster(one, otherJws, { fingerprint: rosterFingerprint(otherJws) })
  t.same(Object.keys(config.sites), ['demo', 'other'])
  t.equal((await trustedRoster(config)).body.site, 'demo', 'the first one stays the one that is meant')
  t.equal((await trustedRoster(config, 'other' as SiteId)).body.site, 'other')
  const { site: _, ...unchosen } = config
  await t.rejects(trustedRoster(unchosen), { code: 'MDM_CONFIG' })
  await t.rejects(trustedRoster(config, 'third' as SiteId), { code: 'MDM_CONFIG' })
  await t.rejects(trustedRoster(config, 'constructor' as SiteId), { code: 'MDM_CONFIG' })
  await t.rejects(trustedRoster(await fresh(t)), { code: 'MDM_CONFIG' }, 'none at all')
  await rm(config.sites.demo!.roster)
  await t.rejects(trustedRoster(config), { code: 'MDM_CONFIG' }, 'one whose file is gone')
  await writeFile(config.sites.demo!.roster, `${FIRST.slice(0, -4)}AAAA`)
  await t.rejects(trustedRoster(config), { code: 'MDM_ROSTER' }, 'one that was changed on disk')
})

t.test('a site may have any name that is one', async (t) => {
  const odd = sampleSite('constructor')
  const { jws } = await trusted(odd.body, odd.signer)
  const { roster } = await addRoster(await fresh(t), jws, { fingerprint: rosterFingerprint(jws) })
  t.equal(roster.body.site, 'constructor')
})
