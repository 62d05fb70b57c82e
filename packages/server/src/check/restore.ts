/** The command that puts a server back from a backup, into a new folder: nothing that is there is overwritten. */
export function restoreCommand(kind: 'site' | 'keys'): string {
  return `mdm-server restore ${kind} --from BACKUP --identity BACKUP-KEY --dir NEW-FOLDER`
}
