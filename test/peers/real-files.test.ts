import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseNrrdHeader } from '@mdm/core/volume/formats/index'
import { readHeader } from '@mdm/server/dicom/part10/index'
import t from 'tap'
import { startGrid, type Grid } from '../fixtures/grid.ts'
import { sharedData } from '../fixtures/shared-data.ts'
import { emptySpool, restartSite } from '../fixtures/site-process.ts'

t.setTimeout(900_000)

/** Files whose pixels are known, and that come otherwise or not at all (docs/formats/volume.md). */
const OTHERWISE: Readonly<Record<string, string>> = {
  'rtdose.dcm': 'a dose is no image',
  'liver_1frame.dcm': 'a segmentation is no image',
  'seg_image_ct_binary.dcm': 'a segmentation is no image',
  'examples_palette.dcm': 'a palette',
  'examples_ybr_color.dcm': 'a film of ultrasound: frames that say nothing of their place',
  'SC_rgb_jpeg_dcmtk.dcm': 'YBR becomes RGB',
}

interface RealFile {
  readonly path: string
  /** series instance UID; undefined for what is no DICOM object of a series */
  readonly series: string | undefined
  /** SHA-256 of the stored numbers, row by row, little endian */
  readonly pixels: string | undefined
}

t.test('every single file reaches its pixels, or is refused by name', async (t) => {
  const manifest = sharedData('MANIFEST.json')
  if (manifest === undefined) return t.pass('skipped: the real files are not on this machine')
  const files = await realFiles(manifest)
  const source = await mkdtemp(join(tmpdir(), 'mdm-files-'))
  t.teardown(() => rm(source, { recursive: true, force: true }))
  const grid = await startGrid(t, { source })
  const reached = new Set<string>()
  // Codec twins are one object under one name, so they are never there together; each must be decoded to what
  // the one before gave.
  for (const batch of apart(files)) {
    await restartSite(grid, emptySpool)
    for (const name of await readdir(source)) await rm(join(source, name))
    for (const [i, { path }] of batch.entries()) await cp(path, join(source, `${i}-${basename(path)}`))
    await grid.mdm('admin', ['register', '--json'])
    await releaseAll(grid)
    const found = await digestsOf(grid)
    for (const { path, pixels } of batch) if (pixels !== undefined && found.has(pixels)) reached.add(path)
    const rows = (await grid.ok('admin', ['quarantine', 'ls', '--json'])).json.rows
    t.comment(
      rows.map(({ code, reason }: { code: string; reason: string }) => `${code}: ${reason}`).join('\n'),
    )
  }
  const known = files.filter(({ pixels }) => pixels !== undefined)
  for (const { path } of known) {
    const name = basename(path)
    const why = OTHERWISE[name]
    t.equal(reached.has(path), why === undefined, why === undefined ? name : `${name}: ${why}`)
  }
  t.ok(Object.keys(OTHERWISE).length <= 8, `${reached.size} of ${known.length} files reach their pixels`)
})

async function realFiles(manifest: string): Promise<RealFile[]> {
  const { files } = JSON.parse(await readFile(manifest, 'utf8')) as {
    files: { file: string; pixels?: { sha256_C?: string } }[]
  }
  return await Promise.all(
    files.map(async ({ file, pixels }) => {
      const path = sharedData(file)!
      return { path, series: seriesOf(await readFile(path)), pixels: pixels?.sha256_C }
    }),
  )
}

function seriesOf(bytes: Buffer): string | undefined {
  try {
    return readHeader(bytes).series
  } catch {
    return undefined
  }
}

/** Batches in which no series is there twice. */
function apart(files: readonly RealFile[]): RealFile[][] {
  const batches: RealFile[][] = []
  for (const file of files) {
    const free = batches.find((batch) =>
      batch.every(({ series }) => series === undefined || series !== file.series),
    )
    if (free === undefined) batches.push([file])
    else free.push(file)
  }
  return batches
}

/** A person looks at what is held, and lets it go. */
async function releaseAll(grid: Grid): Promise<void> {
  const { rows } = (await grid.ok('admin', ['quarantine', 'ls', '--json'])).json
  const held = rows.filter(({ code }: { code: string }) => code === 'MDM_PRIVACY_HELD')
  for (const { id } of held)
    await grid.ok('admin', ['quarantine', 'release', id, '--reason', 'looked at, shows no text'])
  if (held.length > 0) await grid.mdm('admin', ['register', '--json'])
}

/** SHA-256 of the voxels of every volume that is there. */
async function digestsOf(grid: Grid): Promise<Set<string>> {
  const { rows } = (await grid.ok('admin', ['ls', '--json'])).json
  const guids: string[] = rows
    .filter((row: { goneSince?: string }) => row.goneSince === undefined)
    .map((row: { guid: string }) => row.guid)
  if (guids.length === 0) return new Set()
  await grid.ok('admin', ['acl', 'grant', '--to', grid.users.scientist.dn, '--preset', 'process', '--json'], {
    input: guids.join('\n'),
  })
  const out = join(grid.scratch, 'out')
  await mkdir(out)
  // A volume whose object is now a damaged twin stays registered and cannot be had: what came is what counts.
  await grid.mdm('scientist', ['get', ...guids, '-o', out, '--format', 'nrrd', '--json'])
  const digests = new Set<string>()
  for (const name of await readdir(out)) {
    const file = await readFile(join(out, name))
    const { headerBytes } = parseNrrdHeader(file)!
    digests.add(createHash('sha256').update(file.subarray(headerBytes)).digest('hex'))
  }
  await rm(out, { recursive: true })
  return digests
}
