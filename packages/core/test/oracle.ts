/**
 * Debian's duplicity asked directly, without a backup: what its functions make of a name, a time or a path. One Python
 * process answers a whole list of questions. duplicity is run here as the judge; nothing of it is copied.
 */

import { requirePeer, runOk, type SkipContext } from '@redup/testkit';

/** What duplicity makes of each question; null where it refuses. */
export type Question =
  /** Seconds. */
  | { readonly ask: 'time'; readonly text: string }
  /** `[type, volume, start, end, isManifest, encrypted, compressed]` */
  | { readonly ask: 'name'; readonly text: string }
  /** Byte strings. */
  | { readonly ask: 'quote' | 'unquote'; readonly text: string };

const SCRIPT = `
import json, sys
from duplicity import config, dup_time, file_naming, manifest
config.time_separator = ':'
questions = json.load(sys.stdin)
dup_time.setcurtime(questions['now'])

def answer(q):
    text = q['text']
    try:
        if q['ask'] == 'time':
            return dup_time.genstrtotime(text)
        if q['ask'] == 'quote':
            return manifest.Quote(text.encode('latin1')).decode('latin1')
        if q['ask'] == 'unquote':
            return manifest.Unquote(text.encode('latin1')).decode('latin1')
        r = file_naming.parse(text.encode('latin1'))
        if r is None:
            return None
        start = r.start_time if r.time is None else r.time
        return [r.type, r.volume_number, start, r.end_time, bool(r.manifest), bool(r.encrypted), bool(r.compressed)]
    except Exception:
        return None

json.dump([answer(q) for q in questions['ask']], sys.stdout)
`;

/** Asks Debian's duplicity, in the zone given. */
export async function askDuplicity(
  context: SkipContext,
  questions: readonly Question[],
  { now = 1_700_000_000, zone = 'UTC' }: { readonly now?: number; readonly zone?: string } = {},
): Promise<unknown[]> {
  requirePeer(context, 'duplicity-debian');
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: zone };
  const input = JSON.stringify({ now, ask: questions });
  const { stdout } = await runOk('/usr/bin/python3', ['-W', 'ignore', '-c', SCRIPT], { env, input });
  const answers: unknown = JSON.parse(stdout);
  if (!Array.isArray(answers) || answers.length !== questions.length) throw new Error(`no answers: ${stdout}`);
  return answers;
}
