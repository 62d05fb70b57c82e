import { z } from 'zod'
import { NIL } from './fields.ts'

/** A field that comes once. */
export function one<S extends z.ZodType>(schema: S) {
  return z.codec(z.tuple([schema]), z.custom<z.output<S>>(), {
    decode: ([value]) => value as z.output<S>,
    encode: (value) => [value] as [z.output<S>],
  })
}

/**
 * A field of a reply that may be left out, and counts as left out where it cannot be read: services write words, dates and empty
 * fields of their own, and nobody's file should fail for what is not looked at.
 */
export function maybe<S extends z.ZodType>(schema: S) {
  return one(schema).optional().catch(undefined)
}

/** A field that holds a list: `<arrayOfSURLs><urlArray>..</urlArray><urlArray>..</urlArray></arrayOfSURLs>` is the list itself. */
export function listOf<S extends z.ZodType>(item: string, schema: S, max = 1_000, min = 0) {
  const items = z.array(schema).min(min).max(max)
  return one(
    z.codec(struct({ [item]: min === 0 ? items.optional() : items }), z.custom<z.output<S>[]>(), {
      decode: (value) => ((value as Record<string, unknown>)[item] ?? []) as z.output<S>[],
      encode: (value) => ({ [item]: value }) as never,
    }),
  )
}

/** A list that a request is about: of one entry at least. */
export function someOf<S extends z.ZodType>(item: string, schema: S, max = 1_000) {
  return listOf(item, schema, max, 1)
}

/**
 * An element with fields, in the order of the WSDL, which is that of writing. What is not named here is passed over.
 *
 * @param nil fields that must be there and of which we say nothing, by the name of the one that each stands behind
 */
export function struct<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
  nil: Readonly<Record<string, string>> = {},
) {
  return z.codec(z.unknown(), z.object(shape), {
    // An element without fields looks like one with an empty text.
    decode: (value) => (typeof value === 'string' && value.trim() === '' ? {} : value) as never,
    encode: (value) =>
      Object.fromEntries(
        Object.entries(value).flatMap(([name, content]) =>
          nil[name] === undefined
            ? [[name, content]]
            : [
                [name, content],
                [nil[name], [NIL]],
              ],
        ),
      ),
  })
}

/** xsd:string */
export function string(max: number) {
  return z.string().max(max)
}

/** xsd:string that people read: what is too long of it is cut off. */
export function prose(max: number) {
  return z.codec(z.string(), z.string().max(max), {
    decode: (text) => text.slice(0, max),
    encode: (text) => text,
  })
}

/** xsd:anyURI, and tokens: white space around them is not part of them. */
export function trimmed(max: number) {
  return z.codec(z.string().max(max + 100), z.string().min(1).max(max), {
    decode: (text) => text.trim(),
    encode: (text) => text,
  })
}

/** As long as a SURL may be; a longer one names nothing. */
export const SURL = trimmed(2_048)
export const TOKEN = trimmed(256)

/** xsd:unsignedLong, as far as a number is exact. */
export const UNSIGNED = z.codec(z.string().regex(/^\s*\+?[0-9]{1,20}\s*$/), z.int().min(0), {
  decode: Number,
  encode: String,
})

/** xsd:int */
export const INT = z.codec(
  z.string().regex(/^\s*[+-]?[0-9]{1,12}\s*$/),
  z
    .int()
    .min(-(2 ** 31))
    .max(2 ** 31 - 1),
  {
    decode: Number,
    encode: String,
  },
)

/** xsd:boolean */
export const BOOLEAN = z.codec(z.string().regex(/^\s*(?:true|false|1|0)\s*$/), z.boolean(), {
  decode: (text) => /true|1/.test(text),
  encode: String,
})

/** xsd:dateTime, written in whole seconds of UTC. */
export const DATE_TIME = z.codec(
  z
    .string()
    .regex(
      /^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})?\s*$/,
    ),
  z.date(),
  {
    decode: (text) => new Date(text.trim()),
    encode: (date) => date.toISOString().replace(/\.[0-9]+Z$/, 'Z'),
  },
)
