/** How the schema of a store stands to what this version of MDM knows. */
export type SchemaState =
  | { readonly kind: 'new' }
  | { readonly kind: 'current'; readonly level: string }
  /** `level` is where it is, `missing` what a start of the server would run */
  | { readonly kind: 'old'; readonly level: string; readonly missing: readonly string[] }
  /** `level` is a migration that this version does not know */
  | { readonly kind: 'newer'; readonly level: string }

/**
 * @param applied names of migrations the store has had; undefined when there is no store
 * @param known   names of those of this version
 */
export function schemaState(applied: readonly string[] | undefined, known: readonly string[]): SchemaState {
  if (applied === undefined) return { kind: 'new' }
  const unknown = applied.find((name) => !known.includes(name))
  if (unknown !== undefined) return { kind: 'newer', level: unknown }
  const missing = known.filter((name) => !applied.includes(name)).toSorted()
  const level = applied.toSorted().at(-1) ?? 'nothing'
  return missing.length === 0 ? { kind: 'current', level } : { kind: 'old', level, missing }
}
