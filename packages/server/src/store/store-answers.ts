import { sql, type Kysely } from 'kysely'

/** True when the database answers the smallest question there is. */
export async function storeAnswers<Schema>(db: Kysely<Schema>): Promise<boolean> {
  try {
    await sql`select 1`.execute(db)
    return true
  } catch {
    return false
  }
}
