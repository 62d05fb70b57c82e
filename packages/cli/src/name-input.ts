import { addAbortSignal } from 'node:stream'
import { MdmError } from '@mdm/core/errors'
import { parseVolumeName, type VolumeName } from '@mdm/core/names'

/** A name as it was typed, and what it means. */
export interface NamedVolume {
  readonly text: string
  readonly name: VolumeName
}

export const NO_VOLUME = 'no volume is named: give a GUID, an LFN or a SURL'

/** @throws MDM_USAGE for a text that is none of GUID, GUID@VERSION, LFN, SURL, instance:GUID */
export function volumesOf(texts: readonly string[]): NamedVolume[] {
  return texts.map((text) => ({ text, name: parseVolumeName(text) }))
}

/**
 * The volumes a command is about: its arguments, with `-` standing for stdin; stdin alone when there are none.
 *
 * @throws MDM_USAGE when there is no name at all, or one that is none of GUID, GUID@VERSION, LFN, SURL
 */
export async function namedVolumes(
  args: readonly string[],
  o: { signal: AbortSignal },
): Promise<NamedVolume[]> {
  return volumesOf(await typedNames(args, { ...o, none: NO_VOLUME }))
}

/** Names of any kind from the same two places, each once. @throws MDM_USAGE with `none` when there is none at all */
export async function typedNames(
  args: readonly string[],
  o: { signal: AbortSignal; none: string },
): Promise<string[]> {
  const fromStdin = args.includes('-') || (args.length === 0 && process.stdin.isTTY !== true)
  const typed = args.filter((arg) => arg !== '-')
  const names = [...typed, ...(fromStdin ? words(await readStdin(o.signal)) : [])]
  if (names.length === 0) throw new MdmError('MDM_USAGE', o.none)
  return [...new Set(names)]
}

/** White space separates names; what follows a # on a line is a comment. A SURL has no # and no white space. */
function words(text: string): string[] {
  return text.split('\n').flatMap((line) => line.replace(/#.*/, '').split(/\s+/).filter(Boolean))
}

async function readStdin(signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of addAbortSignal(signal, process.stdin)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
