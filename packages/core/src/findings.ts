/** How bad it is: as it should be, soon or maybe a fault, a fault. */
export type Level = 'ok' | 'warn' | 'fault'

/**
 * What a check of an installation found on one thing: `mdm-server check` and `mdm doctor` print lists of these. Never a secret,
 * nor patient data; paths are of the machine that the check runs on, for the person who runs it.
 */
export interface Finding {
  /** what was looked at, in kebab case and stable: scripts may depend on it */
  readonly name: string
  readonly level: Level
  /** which one of several: the path of a file, the URL of a server; the empty text when there is only one */
  readonly subject: string
  /** what is so, in one line */
  readonly message: string
  /** the command that mends it, or what to do when no one command does; the empty text where all is well */
  readonly next: string
}

/** Exit code of a check that found a fault: the part that works works (MDM_PARTIAL). */
export const EXIT_FAULTS = 10

/** A finding that all is well. */
export function good(name: string, subject: string, message: string): Finding {
  return { name, level: 'ok', subject, message, next: '' }
}

/** A finding that needs somebody, soon. @param next the command that mends it */
export function warn(name: string, subject: string, message: string, next: string): Finding {
  return { name, level: 'warn', subject, message, next }
}

/** A finding that something does not work, or is not safe. @param next the command that mends it */
export function fault(name: string, subject: string, message: string, next: string): Finding {
  return { name, level: 'fault', subject, message, next }
}

/** 0 when nothing is a fault, else EXIT_FAULTS; warnings leave it 0. */
export function exitCodeOf(findings: readonly Finding[]): number {
  return findings.some(({ level }) => level === 'fault') ? EXIT_FAULTS : 0
}

/** Findings as lines for a terminal: level, name, subject and message, and below each that is not well, what mends it. */
export function findingLines(findings: readonly Finding[]): string[] {
  const width = Math.max(0, ...findings.map(({ name }) => name.length))
  return findings.flatMap(({ name, level, subject, message, next }) => {
    const about = subject === '' ? message : `${subject}: ${message}`
    const line = `${level.padEnd(5)}  ${name.padEnd(width)}  ${about}`
    return next === '' ? [line] : [line, `${' '.repeat(7 + width + 2)}next: ${next}`]
  })
}

/** A word of a command as a shell takes it: quoted only where it must be. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
