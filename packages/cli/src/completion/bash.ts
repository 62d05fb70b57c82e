import { quoted, type CommandNode, type Values } from './command-tree.ts'

/** A completion script for bash 3.2 and later; it asks nobody, so that a Tab never waits. */
export function bashScript(tree: readonly CommandNode[]): string {
  const known = tree.flatMap(({ id }) => (id === '' ? [] : [quoted(id)]))
  const values = tree.flatMap(({ id, flags }) =>
    flags.flatMap((flag) => {
      if (flag.values === undefined) return []
      const cases = flag.spellings.map((spelling) => quoted(`${id} ${spelling}`))
      return [`    ${cases.join(' | ')}) ${offer(flag.values)}; return ;;`]
    }),
  )
  const flags = tree.map(({ id, flags }) =>
    line(
      id,
      flags.map(({ spellings }) => spellings[0]!),
    ),
  )
  const words = tree.map(({ id, values, below }) => line(id, below.length > 0 ? below : values))
  return `# bash completion for mdm: eval "$(mdm completion bash)", or keep it as
# ~/.local/share/bash-completion/completions/mdm
_mdm() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} cmd='' next i IFS=$'\\n'
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${cmd:+$cmd }\${COMP_WORDS[i]}"
    case $next in
      ${known.join(' | ')}) cmd=$next ;;
      *) break ;;
    esac
  done
  COMPREPLY=()
  case "$cmd $prev" in
${values.join('\n')}
  esac
  case $cur in
    -*) case $cmd in
${flags.join('\n')}
    esac ;;
    *) case $cmd in
${words.join('\n')}
    esac ;;
  esac
}
complete -F _mdm mdm
`
}

function line(id: string, values: Values): string {
  return `      ${quoted(id)}) ${offer(values)} ;;`
}

function offer(values: Values): string {
  if (values === 'nothing' || values.length === 0) return ':'
  if (values === 'files') return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))'
  // IFS is a line feed, in the list too.
  return `COMPREPLY=($(compgen -W $'${values.join('\\n')}' -- "$cur"))`
}
