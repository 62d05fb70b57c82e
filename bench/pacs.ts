import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startDcmqrscp } from '../test/fixtures/peers/dcmqrscp.ts'
import { startOrthanc } from '../test/fixtures/peers/orthanc.ts'
import type { Lifetime, Pacs } from '../test/fixtures/peers/peer.ts'
import type { MadeSeries } from './series.ts'

/** A DICOM server as its package ships it, with the series of a section. */
export interface BenchPacs extends Pacs {
  readonly name: string
  /** root of DICOMweb, where it has that */
  readonly dicomweb?: string
}

const START = {
  async orthanc(t: Lifetime, series: readonly MadeSeries[]) {
    const pacs = await startOrthanc(t)
    for (const { folder } of series)
      await pacs?.upload(...(await readdir(folder)).map((name) => join(folder, name)))
    return pacs
  },
  async dcmqrscp(t: Lifetime, series: readonly MadeSeries[]) {
    const pacs = await startDcmqrscp(t)
    await pacs?.store(...series.map(({ folder }) => folder))
    return pacs
  },
}
export type PacsName = keyof typeof START

/** @throws where it is not installed */
export async function startPacs(
  t: Lifetime,
  name: PacsName,
  series: readonly MadeSeries[],
): Promise<BenchPacs> {
  const pacs = await START[name](t, series)
  if (pacs === undefined) throw new Error(`${name} is not installed: the bench has nothing to compare with`)
  return Object.assign(pacs, { name })
}
