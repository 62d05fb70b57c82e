import { faceOf } from '@mdm/server/volume/face'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import t from 'tap'

const of = (modality: string, text: InstanceHeader['text']) => faceOf({ modality, text } as InstanceHeader)

t.test('a head may show a face, whichever text says that it is one', async (t) => {
  for (const text of [
    { BodyPartExamined: 'BRAIN' },
    { BodyPartExamined: 'CHEST', SeriesDescription: 'Schädel nativ' },
    { StudyDescription: 'IRM cérébrale', ProtocolName: 'Cerveau' },
  ])
    t.equal(of('MR', text), 'possible')
})

t.test('silence is no sign that there is none; another part of the body is', async (t) => {
  t.equal(of('CT', {}), 'possible')
  t.equal(of('CT', { BodyPartExamined: 'KNEE' }), null)
  t.equal(of('CR', { BodyPartExamined: 'HEAD' }), null, 'a projection has no surface')
})

t.test('what the object itself says of recognizable features counts most', async (t) => {
  t.equal(of('MR', { BodyPartExamined: 'BRAIN', RecognizableVisualFeatures: 'NO' }), null)
  t.equal(of('MR', { BodyPartExamined: 'KNEE', RecognizableVisualFeatures: 'YES' }), 'possible')
})
