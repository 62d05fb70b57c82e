/** How a column is compared with a value. */
export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>='

/** A value as it was written; what it means depends on the column's type. */
export interface Literal {
  readonly text: string
  /** True for '…' and "…": then `and` and operators inside are text. */
  readonly quoted: boolean
  /** Where it starts in the query, from 1. */
  readonly position: number
}

/** One comparison; `column` is as written, with or without its table (`rows` or `image.rows`). */
export interface Comparison {
  readonly column: string
  readonly operator: Operator
  readonly value: Literal
  /** Where the column starts in the query, from 1. */
  readonly position: number
}

/** Comparisons that must all hold (paper 4.2: the metadata query that gives GUIDs). */
export interface Query {
  readonly comparisons: readonly [Comparison, ...Comparison[]]
}
