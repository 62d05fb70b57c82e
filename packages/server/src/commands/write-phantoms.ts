import { required, type Command } from './command.ts'

/** Made-up series to try things with. */
export const writePhantoms: Command = {
  words: 'phantom',
  usage: '--dir DIR',
  summary: 'write made-up CT and MR series as DICOM',
  example: 'phantom --dir images',
  options: { dir: { type: 'string' } },
  async run(values) {
    const { writePhantoms } = await import('../dicom/dcmjs/phantom.ts')
    await writePhantoms(required(values, 'dir'))
  },
}
