import { contentDigest } from '@mdm/server/register/fingerprints'
import type { SeriesOptions } from '@mdm/server/dicom/dcmjs/write-series'
import t from 'tap'
import { planned } from './generated.ts'

/**
 * Digests under which these series were registered before volumes were made of planes. One that changed would make a new
 * version, under a new key, of every volume of every site.
 */
const REGISTERED: Record<string, [string, Partial<SeriesOptions>]> = {
  'a CT': ['5a660f40c5bfd067bfff91456f346bf24ee96b4435a574b0ebb77cd512673169', {}],
  'an oblique MR of 12 bits, shown in reverse': [
    '09aad9a85c418d07515d47acc4555c5b5c35fe3fdaf8100dcd4ae46ccc0fa773',
    {
      ...{ modality: 'MR', slices: 3, seed: 'b', bitsStored: 12, intercept: undefined },
      orientation: [0.9848077530122, 0.1736481776669, 0, -0.1631759111665, 0.9254165783984, 0.3420201433257],
      attributes: () => ({ PhotometricInterpretation: 'MONOCHROME1' }),
    } as Partial<SeriesOptions>,
  ],
}
for (const [what, [digest, options]] of Object.entries(REGISTERED)) {
  t.test(`${what} that was registered before is known still`, async (t) => {
    const { plan } = await planned(t.testdir(), options)
    t.same(
      plan.volumes.map((volume) => [volume.label, contentDigest(volume)]),
      [['', digest]],
    )
  })
}
