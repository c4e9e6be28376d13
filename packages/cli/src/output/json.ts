/** JSON as duplicity prints it: indented by four, in ASCII. */

/** A string literal. */
export function jsonText(text: string): string {
  return ascii(JSON.stringify(text));
}

/** The lines of a value, each with `indent` in front. */
export function jsonLines(value: unknown, indent = ''): string[] {
  return ascii(JSON.stringify(value, undefined, 4))
    .split('\n')
    .map((line) => indent + line);
}

function ascii(json: string): string {
  return json.replace(/[\x7f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
