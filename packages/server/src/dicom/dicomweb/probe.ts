import { MdmError } from '@mdm/core/errors'
import type { SourceProbe } from '../source.ts'
import type { Asker } from './dicom-json.ts'
import { instancePath } from './paths.ts'
import { firstInstance, firstSeries } from './qido.ts'
import { askForObjects, objectsOf } from './wado.ts'

/**
 * Searches, and retrieves one object, as registration and delivery will.
 *
 * @throws only the signal's reason: what fails is in the answer
 */
export async function probeServer(o: Asker): Promise<SourceProbe> {
  const steps: SourceProbe['steps'] = []
  async function step<T>(
    name: string,
    work: () => Promise<[note: string, found: T]>,
  ): Promise<T | undefined> {
    const began = performance.now()
    try {
      const [note, found] = await work()
      steps.push({ step: name, ok: true, ms: performance.now() - began, note })
      return found
    } catch (error) {
      o.signal?.throwIfAborted()
      if (!(error instanceof MdmError)) throw error
      const { message: note, code } = error
      steps.push({ step: name, ok: false, ms: performance.now() - began, note, code })
      return undefined
    }
  }
  const series = await step('find', async () => {
    const found = await firstSeries(o)
    if (found === undefined) return ['a search is answered; there is no series yet', undefined]
    const counted =
      found.objects !== undefined ? 'says how many objects it has' : 'its objects have to be listed'
    return [`a search is answered with a series, and ${counted}`, found]
  })
  if (series !== undefined)
    await step('get', async () => {
      const sop = await firstInstance(series, o)
      const reply =
        sop === undefined ? undefined : await askForObjects(o.client, instancePath(series, sop), o)
      if (reply === undefined) throw o.fault('does not give an object that it names')
      for await (const _ of objectsOf(reply, { ...o, maxParts: 16 }))
        return ['an object comes as it is stored', undefined]
      throw o.fault('gives something else for an object that it names')
    })
  return { steps, methods: ['wado-rs'] }
}
