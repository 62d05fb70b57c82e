import { MdmError } from '@mdm/core/errors'
import { Args, Flags } from '@oclif/core'

/** The argument of commands about rows in quarantine. */
export const quarantineArgs = {
  id: Args.string({
    multiple: true,
    ignoreStdin: true,
    description: 'id of a row in quarantine; - reads ids from stdin',
  }),
}

/** Why something is done to rows: it stays in the audit log. */
export const quarantineReason = Flags.string({
  required: true,
  helpValue: 'TEXT',
  description: 'why, in up to 200 characters, for the audit log; without patient data',
})

/** @throws MDM_USAGE for no id, or one that is none */
export async function quarantineIds(
  arg: string | readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const [{ typedNames }, { QuarantineId }] = await Promise.all([
    import('./name-input.ts'),
    import('@mdm/core/wire/register'),
  ])
  const none = 'no row is named: "mdm quarantine ls" lists them'
  const ids = await typedNames([arg ?? []].flat(), { signal, none })
  const wrong = ids.find((id) => !QuarantineId.safeParse(id).success)
  if (wrong !== undefined)
    throw new MdmError('MDM_USAGE', `"${wrong.slice(0, 80)}" is not the id of a row in quarantine`)
  return ids
}
