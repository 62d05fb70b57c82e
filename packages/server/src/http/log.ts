import { pino, type DestinationStream } from 'pino'

/** The only fields that reach the log. None can hold a name, a path, a URL or a value from a request. */
export interface LogFields {
  /** what happened, in kebab case */
  readonly event: string
  readonly code?: string | undefined
  readonly status?: number | undefined
  readonly ms?: number | undefined
  readonly requestId?: string | undefined
  readonly method?: string | undefined
  /** the pattern of the route, /v1/shares/:guid, never the URL */
  readonly route?: string | undefined
  /** function or file and line of ours where a fault came from */
  readonly at?: string | undefined
  readonly counted?: number | undefined
  /** id of a key server, from the roster */
  readonly server?: string | undefined
}

export interface Log {
  info(fields: LogFields): void
  warn(fields: LogFields): void
  error(fields: LogFields): void
}

/** The lowest that is written; 'silent' writes nothing. */
export const LOG_LEVELS = ['info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** A log whose level can be changed while it is in use. */
export interface LeveledLog extends Log {
  level: LogLevel
}

const ALLOWED = [
  'event',
  'code',
  'status',
  'ms',
  'requestId',
  'method',
  'route',
  'at',
  'counted',
  'server',
] as const

/**
 * JSON lines on stderr (stdout is for what scripts read). Whatever a caller passes, only the allowed fields come through.
 *
 * @param o `destination` is where lines go instead; `level` is the lowest written, 'info' unless told
 */
export function openLog(o: { destination?: DestinationStream; level?: LogLevel } = {}): LeveledLog {
  const logger = pino(
    { level: o.level ?? 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime },
    o.destination ?? pino.destination(2),
  )
  return {
    info: (fields) => logger.info(allowed(fields)),
    warn: (fields) => logger.warn(allowed(fields)),
    error: (fields) => logger.error(allowed(fields)),
    get level() {
      return logger.level as LogLevel
    },
    set level(level) {
      logger.level = level
    },
  }
}

function allowed(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    ALLOWED.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])),
  )
}
