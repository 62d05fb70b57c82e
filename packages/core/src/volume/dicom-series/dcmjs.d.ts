/** The part of dcmjs that we use; it ships no types. */
declare module 'dcmjs' {
  interface Element {
    vr: string
    Value: unknown[]
  }

  /** A DICOM object to be written; elements by tag, eight hex digits. */
  class DicomDict {
    constructor(meta: Record<string, Element>)
    dict: Record<string, Element>
    write(): ArrayBuffer
  }

  const dcmjs: {
    log: { setLevel(level: 'silent'): void; getLogger(name: string): { setLevel(level: 'silent'): void } }
    data: {
      DicomDict: typeof DicomDict
      /** a second reader, for tests only: it is no match for hostile input */
      DicomMessage: { readFile(file: ArrayBuffer): { dict: Record<string, { vr: string; Value?: any[] }> } }
      DicomMetaDictionary: {
        denaturalizeDataset(dataset: Record<string, unknown>): Record<string, Element>
        /** by tag, such as (0010,0010) */
        dictionary: Record<string, { name: string; vr: string } | undefined>
      }
    }
  }
  export default dcmjs
}
