/** A text of JSON is a string, a comment, or something else: a string is the only place where // could mean itself. */
const STRING_OR_COMMENT = /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[^]*?\*\//g
const STRING_OR_LAST_COMMA = /"(?:[^"\\\n]|\\.)*"|(?<=[^\s,[{]\s*),(?=\s*[}\]])/g

/**
 * Reads JSON with comments, as people write configuration: `//` to the end of the line, `/* ... *\/`, and a comma after the last
 * element. Everything else is as JSON.parse takes it.
 *
 * @throws SyntaxError, whose message may quote the text; faultyLine says where
 */
export function parseCommentedJson(text: string): unknown {
  return JSON.parse(withoutComments(text))
}

/** The line, from 1, of the first fault in a text that parseCommentedJson refuses. Quotes nothing of it. */
export function faultyLine(text: string): number {
  const lines = withoutComments(text).split('\n')
  const broken = lines.findIndex((_, i) => isBroken(lines.slice(0, i + 1).join('\n')))
  return broken === -1 ? lines.length : broken + 1
}

/** True when a beginning of a text can no longer become JSON: JSON.parse does not always say where it stumbled. */
function isBroken(beginning: string): boolean {
  try {
    JSON.parse(beginning)
    return false
  } catch (error) {
    const { message } = error as SyntaxError
    const at = /at position ([0-9]+)/.exec(message)?.[1]
    return !/end of JSON input|Unterminated/.test(message) && Number(at) !== beginning.length
  }
}

/** Comments become blanks, so that every place stays where it was. */
function withoutComments(text: string): string {
  const blank = (found: string) => (found.startsWith('"') ? found : found.replace(/[^\n]/g, ' '))
  return text.replace(STRING_OR_COMMENT, blank).replace(STRING_OR_LAST_COMMA, blank)
}
