/** The command line, understood: which command, its operands, the values of options, and the file selection in its order. */

import { CommanderError } from 'commander';
import { type CommandName, commandSpec, isUrl, type Operand, takes } from '../commands.js';
import { completionScript } from '../documentation/completion.js';
import { manPage } from '../documentation/man-page.js';
import { OPTION_NAMES, type OptionName, optionSpec, type SelectionOptionName, type Values } from '../options/index.js';
import { buildProgram } from './program.js';
import { rewrite, seeHelp, similarCommand } from './rewrite.js';
import { UsageError } from './usage-error.js';
import { ValueCollector } from './values.js';

/** One option of the file selection, in the order of the command line. */
export interface RuleArgument {
  readonly option: SelectionOptionName;
  /** Empty for options without one. */
  readonly value: string;
}

export interface Invocation {
  readonly command: CommandName;
  readonly operands: readonly string[];
  readonly values: Values;
  readonly rules: readonly RuleArgument[];
  /** What to tell about the arguments: options without effect, an implied command. */
  readonly notices: readonly string[];
  /** The command that the source of a backup without a command looks like. It was meant if there is no such source. */
  readonly lookalike: CommandName | undefined;
}

export type Parsed =
  | { readonly kind: 'run'; readonly invocation: Invocation }
  | { readonly kind: 'text'; readonly text: string };

/**
 * @param version what `--version` prints
 * @throws UsageError
 */
export function parseArguments(argv: readonly string[], env: NodeJS.ProcessEnv, version: string): Parsed {
  const documentation = documentationFor(argv, version);
  if (documentation !== undefined) return { kind: 'text', text: documentation };
  const { command, implied, options, operands, asks } = rewrite(argv);
  if (asks === 'version') return { kind: 'text', text: `redup ${version}\n` };
  if (asks === 'help' || command === undefined) return { kind: 'text', text: helpText(command) };
  const { refused } = commandSpec(command);
  if (refused !== undefined) throw new UsageError(refused[0]?.toUpperCase() + refused.slice(1));
  checkOperands(command, operands);
  const collected = readOptions(command, options, operands, env);
  const notices = implied ? [`No command given: doing a ${command}, as the order of the arguments says`] : [];
  const lookalike = implied && command === 'backup' ? similarCommand(operands[0] ?? '') : undefined;
  const all = [...notices, ...collected.notices];
  return { kind: 'run', invocation: { command, operands, ...collected, notices: all, lookalike } };
}

/** `redup completion SHELL`, `redup man`: words that duplicity does not have, but a source folder may. */
function documentationFor([word, argument, ...more]: readonly string[], version: string): string | undefined {
  if (more.length > 0 || (argument !== undefined && isUrl(argument))) return undefined;
  if (word === 'completion') return completionScript(argument ?? '');
  return word === 'man' && argument === undefined ? manPage(version) : undefined;
}

export function helpText(command: CommandName | undefined): string {
  const program = buildProgram(command);
  let text = '';
  const shown = program.commands.find((candidate) => candidate.name() === command) ?? program;
  for (const each of [program, shown]) each.configureOutput({ writeOut: (part) => (text += part) });
  shown.outputHelp();
  return text;
}

type Collected = Pick<Invocation, 'values' | 'rules' | 'notices'>;

function readOptions(
  name: CommandName,
  options: readonly string[],
  operands: readonly string[],
  env: NodeJS.ProcessEnv,
): Collected {
  const values = new ValueCollector(env);
  const rules: RuleArgument[] = [];
  const notices: string[] = [];
  const used = OPTION_NAMES.filter((option) =>
    options.some((text) => text === `--${option}` || text.startsWith(`--${option}=`)),
  );
  const program = buildProgram(name, used);
  const command = program.commands.find((candidate) => candidate.name() === name);
  if (command === undefined) throw new UsageError(`Unknown command ${name}`);
  for (const option of used) {
    command.on(`option:${option}`, (value?: string | null) => {
      const status = optionSpec(option).status ?? 'supported';
      if (typeof status === 'object' && 'refused' in status) throw new UsageError(`--${option}: ${status.refused}`);
      if (typeof status === 'object') notices.push(`--${option} is ignored: ${status.ignored}`);
      else if (isRule(option)) rules.push({ option, value: value ?? '' });
      else values.add(option, value ?? undefined);
    });
  }
  command.action(() => {});
  for (const each of [program, command]) each.configureOutput({ writeErr: () => {}, writeOut: () => {} });
  try {
    program.parse([name, ...options, '--', ...operands], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw new UsageError(error.message.replace(/^error: /, ''), seeHelp(name));
    throw error;
  }
  return { values: values.values(), rules, notices: [...new Set(notices)] };
}

function isRule(option: OptionName): option is SelectionOptionName {
  const { kind } = optionSpec(option);
  return kind === 'rule' || kind === 'bareRule';
}

/** Contradicting arguments are an error: in 0.8 `restore PATH URL` makes a backup over what one wants to have back. */
function checkOperands(command: CommandName, operands: readonly string[]): void {
  const wanted = commandSpec(command).operands;
  const shape = wanted.map((operand) => operand.toUpperCase()).join(' ');
  if (!takes(command, operands.length)) {
    const found = operands.length === 0 ? 'there are none' : `there are ${operands.length}: ${operands.join(' ')}`;
    const number = wanted.length === 1 ? 'one argument' : `${wanted.length} arguments`;
    throw new UsageError(`${command} needs ${number}, ${shape}; ${found}`, seeHelp(command));
  }
  for (const [index, text] of operands.entries()) checkOperand(command, shape, wanted[index] ?? 'path', text);
}

function checkOperand(command: CommandName, shape: string, operand: Operand, text: string): void {
  if (text === '')
    throw new UsageError(`${command}: ${operand.toUpperCase()} is empty`, `It is redup ${command} ${shape}.`);
  if ((operand === 'url') === isUrl(text)) return;
  const isPathLike = operand === 'source' || operand === 'target';
  if (operand !== 'url' && !isPathLike) return;
  throw new UsageError(
    isPathLike ? `${command}: ${text} is a URL where a folder is due` : `${command}: ${text} is no URL`,
    operand === 'url' && !text.includes('://')
      ? `It is redup ${command} ${shape}; a folder as target is written file:///absolute/path.`
      : `It is redup ${command} ${shape}.`,
  );
}
