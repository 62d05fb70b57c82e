import { quoted, type CommandNode, type FlagInfo, type Values } from './command-tree.ts'

/** A completion script for zsh, with what each command and flag does beside it. */
export function zshScript(tree: readonly CommandNode[]): string {
  const about = new Map(tree.map(({ id, summary }) => [id, summary]))
  const known = tree.flatMap(({ id }) => (id === '' ? [] : [quoted(id)]))
  const values = tree.flatMap(({ id, flags }) =>
    flags.flatMap((flag) => {
      if (flag.values === undefined) return []
      const cases = flag.spellings.map((spelling) => quoted(`${id} ${spelling}`))
      return [`    ${cases.join(' | ')}) ${offer(flag.values)}; return ;;`]
    }),
  )
  const flags = tree.map(({ id, flags }) => `      ${quoted(id)}) offers=(${flags.map(shown).join(' ')}) ;;`)
  const words = tree.map(({ id, values, below }) => {
    if (below.length === 0) return `      ${quoted(id)}) ${offer(values)}; return ;;`
    const commands = below.map((word) => described(word, about.get(`${id} ${word}`.trim()) ?? ''))
    return `      ${quoted(id)}) offers=(${commands.join(' ')}) ;;`
  })
  return `#compdef mdm
# zsh completion for mdm: keep it as _mdm in a folder of $fpath, or source <(mdm completion zsh)
_mdm() {
  local cmd='' next i
  local -a offers
  for ((i = 2; i < CURRENT; i++)); do
    next="\${cmd:+$cmd }\${words[i]}"
    case $next in
      ${known.join(' | ')}) cmd=$next ;;
      *) break ;;
    esac
  done
  case "$cmd \${words[CURRENT-1]}" in
${values.join('\n')}
  esac
  case \${words[CURRENT]} in
    -*) case $cmd in
${flags.join('\n')}
    esac
    _describe -o flag offers ;;
    *) case $cmd in
${words.join('\n')}
    esac
    _describe command offers ;;
  esac
}
if [[ \${funcstack[1]} == _mdm ]]; then _mdm "$@"; else compdef _mdm mdm; fi
`
}

function shown({ spellings, description }: FlagInfo): string {
  return described(spellings[0]!, description)
}

function described(word: string, text: string): string {
  return quoted(`${word}:${text.replaceAll('\\', '')}`)
}

function offer(values: Values): string {
  if (values === 'nothing' || values.length === 0) return ':'
  return values === 'files' ? '_files' : `compadd -- ${values.map(quoted).join(' ')}`
}
