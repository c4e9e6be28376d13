/** Shell completion, from the same tables as everything else: commands, then options, then files. */

import { UsageError } from '../arguments/usage-error.js';
import { COMMAND_NAMES, type CommandName, commandSpec } from '../commands.js';
import { OPTION_NAMES, type OptionName, optionSpec } from '../options/index.js';
import { isShown } from '../options/spec.js';

const SHELLS = { bash, zsh, fish } as const;

/** @throws UsageError for a shell that isn't known */
export function completionScript(shell: string): string {
  if (Object.hasOwn(SHELLS, shell)) return SHELLS[shell as keyof typeof SHELLS]();
  throw new UsageError(
    `There is no completion for ${shell || 'no shell'}`,
    `It is redup completion ${Object.keys(SHELLS).join('|')}.`,
  );
}

function commands(): readonly CommandName[] {
  return COMMAND_NAMES.filter((name) => commandSpec(name).refused === undefined);
}

/** Shown options that concern a command. */
function optionsOf(command: CommandName): OptionName[] {
  return OPTION_NAMES.filter((name) => {
    const spec = optionSpec(name);
    return isShown(spec) && (spec.commands?.includes(command) ?? true);
  });
}

function bash(): string {
  const cases = commands().map((name) => {
    const words = optionsOf(name).map((option) => `--${option}`);
    return `    ${[name, ...commandSpec(name).aliases].join('|')}) words='${words.join(' ')}' ;;`;
  });
  return `# bash completion for redup: source <(redup completion bash)
_redup() {
  local current=\${COMP_WORDS[COMP_CWORD]} word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
${cases.join('\n')}
    esac
  done
  if [[ -z $words && $current != -* ]]; then
    words='${commands().join(' ')} help completion man'
  fi
  if [[ $current == -* || $words == *collection-status* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
  [[ \${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _redup redup
`;
}

function zsh(): string {
  const described = commands().map((name) => `    '${name}:${zshText(commandSpec(name).summary)}'`);
  const cases = commands().map((name) => {
    const lines = optionsOf(name).map((option) => {
      const { arg, help } = optionSpec(option);
      return `        '--${option}${arg === undefined ? '' : '='}[${zshText(help)}]${arg === undefined ? '' : `:${arg}:_files`}'`;
    });
    return `    ${[name, ...commandSpec(name).aliases].join('|')})\n      _arguments \\\n${lines.join(' \\\n')} \\\n        '*:file:_files' ;;`;
  });
  return `#compdef redup
# zsh completion for redup: redup completion zsh > "\${fpath[1]}/_redup"
_redup() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    _files
    return
  fi
  case $words[2] in
${cases.join('\n')}
    *) _files ;;
  esac
}
_redup "$@"
`;
}

function zshText(text: string): string {
  return text.replace(/'/g, "'\\''").replace(/[[\]:]/g, '\\$&');
}

function fish(): string {
  const names = commands().flatMap((name) => [name, ...commandSpec(name).aliases]);
  const lines = commands().map(
    (name) =>
      `complete -c redup -n 'not __fish_seen_subcommand_from ${names.join(' ')}' -a ${name} -d '${fishText(commandSpec(name).summary)}'`,
  );
  const options = commands().flatMap((name) =>
    optionsOf(name).map((option) => {
      const { arg, short, help } = optionSpec(option);
      const words = [name, ...commandSpec(name).aliases].join(' ');
      return `complete -c redup -n '__fish_seen_subcommand_from ${words}' -l ${option}${short === undefined ? '' : ` -s ${short}`}${arg === undefined ? '' : ' -r'} -d '${fishText(help)}'`;
    }),
  );
  return `# fish completion for redup: redup completion fish > ~/.config/fish/completions/redup.fish\n${[...lines, ...options].join('\n')}\n`;
}

function fishText(text: string): string {
  return text.replace(/[\\']/g, '\\$&');
}
