/** One of our own (2.25 + UUID, PS3.5 B.2), so that objects we made and logs of peers say whose they are. */
export const IMPLEMENTATION_CLASS = '2.25.161803398874989484820458683436563811772'
