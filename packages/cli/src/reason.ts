/** A system error in plain words, without Node's code, call and path: `no such file or directory`. */

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message.replace(/^E[A-Z]+: /, '').replace(/, \w+( '.*')?$/, '');
}
