/** One field of a configuration, with what a person should know of it. */
export interface Field {
  readonly name: string
  readonly value: unknown
  /** lines above the field */
  readonly note?: string
}

/** Writes a configuration with its comments, as parseCommentedJson reads it. */
export function commentedJson(title: string, fields: readonly Field[]): string {
  const body = fields.map(({ name, value, note }, i) => {
    const comment = note === undefined ? '' : `\n${commentLines(note, '  ')}`
    const text = JSON.stringify(value, null, 2).replaceAll('\n', '\n  ')
    return `${comment}  ${JSON.stringify(name)}: ${text}${i < fields.length - 1 ? ',' : ''}\n`
  })
  return `${commentLines(title, '')}{\n${body.join('').replace(/^\n/, '')}}\n`
}

function commentLines(note: string, indent: string): string {
  return note
    .split('\n')
    .map((line) => `${indent}// ${line}\n`)
    .join('')
}
