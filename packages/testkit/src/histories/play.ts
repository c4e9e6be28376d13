/**
 * Plays a chronicle with redup and a release of duplicity, and says where they differ. Each backup stands for the tree
 * as it was, or for the part of it that duplicity selects; in the end every backup that is left must come back through either
 * program, be listed by both alike and verify.
 */

import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { archiveSets } from '../archives.js';
import { seeded } from '../content.js';
import { updateTree } from '../disk.js';
import { type DuplicityHome, duplicityCommand, duplicityHome } from '../duplicity.js';
import { applyMutation, makeVisible } from '../history.js';
import type { Peer } from '../peers.js';
import { duplicityProgram, type Program, type ProgramOptions, redupCommand, redupProgram } from '../programs.js';
import { diffTrees, readTree, type Snapshot, snapshotOf } from '../snapshot.js';
import { withTempDir } from '../temp.js';
import { directory, file, type TreeModel } from '../tree.js';
import { type Chronicle, type Removal, SELECTIONS, type Step, type Writer } from './steps.js';

const START = 1_700_000_000;
const PASSPHRASE = 'correct horse';

/** A difference between the programs, or between an archive and what was stored in it. */
export class Difference extends Error {
  constructor(
    readonly what: string,
    readonly commands: readonly string[],
  ) {
    super(`${what}\n\nWhat was done:\n${commands.join('\n')}`);
  }
}

/** @throws Difference */
export async function playChronicle(chronicle: Chronicle, peer: Peer): Promise<void> {
  await withTempDir('histories', async (folder) => {
    const homes = { redup: duplicityHome(), duplicity: duplicityHome() };
    try {
      await new Play(chronicle, peer, folder, homes).all();
    } finally {
      for (const home of Object.values(homes)) home.dispose();
    }
  });
}

class Play {
  readonly #chronicle: Chronicle;
  readonly #peer: Peer;
  readonly #folder: string;
  readonly #homes: Readonly<Record<Writer, DuplicityHome>>;
  readonly #commands: string[] = [];
  readonly #programs: Readonly<Record<Writer, Program>>;
  #model: TreeModel = new Map();
  #now = START;
  /** What is to come back of each set, by its time. */
  readonly #states = new Map<number, Snapshot>();
  /** An interrupted backup waits to be completed: until then duplicity must not see another tree. */
  #crashed = false;
  #scratch = 0;

  constructor(chronicle: Chronicle, peer: Peer, folder: string, homes: Readonly<Record<Writer, DuplicityHome>>) {
    this.#chronicle = chronicle;
    this.#peer = peer;
    this.#folder = folder;
    this.#homes = homes;
    this.#programs = { redup: redupProgram, duplicity: duplicityProgram(peer) };
  }

  async all(): Promise<void> {
    const { initial, noiseBytes, steps } = this.#chronicle;
    mkdirSync(this.#target);
    this.#write(new Map([['', directory()], ...initial]), noiseBytes);
    for (const step of steps) {
      this.#now += 1000;
      await this.#step(step);
    }
    this.#now += 1000;
    await this.#expectEverything();
  }

  get #source(): string {
    return join(this.#folder, 'source');
  }

  get #target(): string {
    return join(this.#folder, 'target');
  }

  get #url(): string {
    return `file://${this.#target}`;
  }

  #archive(by: Writer): string {
    const { sharedCache } = this.#chronicle;
    return sharedCache ? join(this.#folder, 'archive') : join(this.#folder, `archive-${by}`);
  }

  #write(model: TreeModel, noiseBytes = 0): void {
    const next = new Map(model);
    if (noiseBytes > 0) next.set('noise', file(seeded(77, noiseBytes), { mtime: 1_600_000_000 }));
    updateTree(this.#source, this.#model, next);
    this.#model = next;
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case 'change':
        // duplicity goes on with an interrupted backup without noticing that files changed; redup notices.
        if (!this.#crashed) this.#write(makeVisible(this.#model, step.mutations.reduce(applyMutation, this.#model)));
        return;
      case 'backup':
        await this.#backup(step.by, step.type, this.#crashed ? 0 : step.selection);
        return;
      case 'crash':
        await this.#crash(step.by, step.type, step.atVolume);
        return;
      case 'remove':
        if (!this.#crashed && this.#states.size > 0) await this.#remove(step.how, step.keeps);
        return;
      case 'lose cache':
        rmSync(this.#archive(step.of), { recursive: true, force: true });
        return;
    }
  }

  async #backup(by: Writer, type: 'backup' | 'full', selection: number): Promise<void> {
    const args = [type, ...this.#stored, ...this.#selection(selection), this.#source, this.#url];
    let result = await this.#run(by, args);
    if (result.code !== 0 && this.#crashed && by === 'duplicity') {
      // What an interruption leaves in the cache can stop duplicity for good; without it, it goes on.
      this.#commands.push('rm -r CACHE');
      rmSync(this.#archive(by), { recursive: true, force: true });
      result = await this.#run(by, args);
    }
    if (result.code !== 0)
      this.#differ(`${by} could not make a backup: ${result.code}\n${result.stdout}${result.stderr}`);
    this.#crashed = false;
    await this.#remember(selection);
  }

  /** A new set in the target stands for what the source is now. */
  async #remember(selection: number): Promise<void> {
    const fresh = this.#complete().filter((time) => !this.#states.has(time));
    if (fresh.length === 0) return;
    const whole = snapshotOf(this.#model);
    const state = selection === 0 ? whole : await this.#selected(whole, selection);
    for (const time of fresh) this.#states.set(time, state);
  }

  /** The part that duplicity selects, and that redup has to select as well. */
  async #selected(whole: Snapshot, selection: number): Promise<Snapshot> {
    const names = await Promise.all(
      (['duplicity', 'redup'] as const).map(async (by) => {
        const place = join(this.#folder, `selected-${this.#scratch++}`);
        const options = { ...this.#options(by), archiveDir: `${place}-archive` };
        const url = `file://${place}`;
        mkdirSync(place);
        const program = this.#programs[by];
        await program.run(['full', ...this.#selection(selection), this.#source, url], options);
        await program.run(['restore', url, `${place}-restored`], options);
        return [...readTree(`${place}-restored`).keys()].sort();
      }),
    );
    const [theirs = [], mine = []] = names;
    const different = [...theirs.filter((n) => !mine.includes(n)), ...mine.filter((n) => !theirs.includes(n))];
    const said = this.#selection(selection).join(' ');
    if (different.length > 0) this.#differ(`${said} selects differently: ${JSON.stringify(different)}`);
    return new Map([...whole].filter(([path]) => theirs.includes(path)));
  }

  async #crash(by: Writer, type: 'backup' | 'full', atVolume: number): Promise<void> {
    const args = [type, ...this.#stored, this.#source, this.#url];
    const options = this.#options(by);
    const { command, env } = by === 'redup' ? redupCommand(args, options) : duplicityCommand(this.#peer, args, options);
    this.#commands.push(`${by} ${args.join(' ')}   # killed at volume ${atVolume}`);
    const before = new Set(readdirSync(this.#target));
    const pattern = new RegExp(`vol${atVolume}\\.`);
    const [program = '', ...rest] = command;
    const child = spawn(program, rest, { env, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('close', resolve));
    const watch = setInterval(() => {
      const names = readdirSync(this.#target).filter((name) => !before.has(name));
      if (names.some((name) => name.startsWith('duplicity-') && pattern.test(name))) child.kill('SIGKILL');
    }, 1);
    await ended;
    clearInterval(watch);
    this.#crashed = child.signalCode !== null;
    await this.#remember(0);
  }

  /** Both remove from a copy; what is left must be the same sets. */
  async #remove(how: Removal, keeps: Writer): Promise<void> {
    const argument =
      how.verb === 'cleanup'
        ? []
        : how.verb === 'remove-older-than'
          ? [`${START + 1000 * how.step}`]
          : [`${how.count}`];
    const left: Record<Writer, string> = { redup: '', duplicity: '' };
    const original = join(this.#folder, 'original');
    for (const by of ['redup', 'duplicity'] as const) {
      rmSync(original, { recursive: true, force: true });
      cpSync(this.#target, join(original, 'target'), { recursive: true, preserveTimestamps: true });
      const archive = this.#archive(by);
      if (existsSync(archive)) cpSync(archive, join(original, 'archive'), { recursive: true });
      const result = await this.#run(by, [how.verb, '--force', ...argument, this.#url]);
      if (result.code !== 0) this.#differ(`${by} ${how.verb}: ${result.code}\n${result.stdout}${result.stderr}`);
      left[by] = archiveSets(this.#target)
        .filter(({ volumes, hasManifest }) => volumes.length > 0 || hasManifest)
        .map(({ kind, start, end, volumes }) => `${kind} ${start} ${end}: ${volumes.length}`)
        .join('\n');
      if (by === keeps) {
        rmSync(join(this.#folder, 'kept'), { recursive: true, force: true });
        cpSync(this.#target, join(this.#folder, 'kept', 'target'), { recursive: true, preserveTimestamps: true });
        if (existsSync(archive)) cpSync(archive, join(this.#folder, 'kept', 'archive'), { recursive: true });
      }
      rmSync(this.#target, { recursive: true });
      cpSync(join(original, 'target'), this.#target, { recursive: true, preserveTimestamps: true });
      rmSync(archive, { recursive: true, force: true });
      if (existsSync(join(original, 'archive'))) cpSync(join(original, 'archive'), archive, { recursive: true });
    }
    if (left.redup !== left.duplicity)
      this.#differ(`after ${how.verb} ${argument}:\nredup leaves\n${left.redup}\nduplicity leaves\n${left.duplicity}`);
    rmSync(this.#target, { recursive: true });
    cpSync(join(this.#folder, 'kept', 'target'), this.#target, { recursive: true, preserveTimestamps: true });
    const archive = this.#archive(keeps);
    rmSync(archive, { recursive: true, force: true });
    if (existsSync(join(this.#folder, 'kept', 'archive')))
      cpSync(join(this.#folder, 'kept', 'archive'), archive, { recursive: true });
    const times = new Set(this.#complete());
    for (const time of this.#states.keys()) if (!times.has(time)) this.#states.delete(time);
  }

  async #expectEverything(): Promise<void> {
    const states = [...this.#states].sort(([a], [b]) => a - b);
    for (const [i, [time, state]] of states.entries()) {
      // A start of duplicity costs most of all: it restores the last three.
      const programs: Writer[] = i < states.length - 3 ? ['redup'] : ['redup', 'duplicity'];
      for (const by of programs) {
        const place = join(this.#folder, `${by}-${time}`);
        const result = await this.#run(by, ['restore', '--time', `${time}`, this.#url, place]);
        const different = existsSync(place) ? diffTrees(state, readTree(place)) : ['nothing'];
        if (result.code !== 0 || different.length > 0)
          this.#differ(
            `${by} restores ${time} with ${result.code}:\n${different.join('\n')}\n${result.stdout}${result.stderr}`,
          );
      }
    }
    const last = states.at(-1);
    // duplicity takes a set that was interrupted for a whole one when it lists.
    if (last === undefined || this.#crashed) return;
    // Notices may differ; the list begins with the first line that has a date, and releases since 3 say a last word.
    const list = (text: string) =>
      /^\w{3} \w{3} [ \d]\d [\d:]{8} \d{4} .*/ms
        .exec(text)?.[0]
        .replace(/Duplicity backup complete\.\n$/, '')
        .trimEnd();
    await this.#expectSameOutput(['list-current-files', this.#url], list);
    const restored = join(this.#folder, `redup-${last[0]}`);
    // Releases word the line differently.
    const counts = (text: string) =>
      /^Verify complete: (\d+) file\S* compared, (\d+) diff/m.exec(text)?.slice(1).join();
    await this.#expectSameOutput(['verify', '--compare-data', this.#url, restored], counts);
  }

  async #expectSameOutput(args: readonly string[], relevant: (text: string) => string | undefined): Promise<void> {
    const outputs = [];
    for (const by of ['redup', 'duplicity'] as const) {
      const { code, stdout, stderr } = await this.#run(by, args);
      outputs.push({ code, said: relevant(stdout), stderr });
    }
    const [mine, theirs] = outputs;
    if (mine?.code !== theirs?.code || mine?.said !== theirs?.said)
      this.#differ(
        `${args[0]} says different things:\nredup ${JSON.stringify(mine)}\nduplicity ${JSON.stringify(theirs)}`,
      );
  }

  get #stored(): string[] {
    return ['--volsize', '1', ...(this.#chronicle.mode === 'plain' ? ['--no-compression'] : [])];
  }

  #selection(number: number): string[] {
    return (SELECTIONS[number] ?? []).map((word) => word.replace('SOURCE', this.#source));
  }

  /** End times of sets that have a manifest. */
  #complete(): number[] {
    return archiveSets(this.#target).flatMap(({ hasManifest, end }) => (hasManifest ? end : []));
  }

  #options(by: Writer): ProgramOptions {
    return {
      home: this.#homes[by],
      archiveDir: this.#archive(by),
      currentTime: this.#now,
      ...(this.#chronicle.mode === 'symmetric' ? { passphrase: PASSPHRASE } : {}),
    };
  }

  async #run(by: Writer, args: readonly string[]) {
    const options = this.#options(by);
    mkdirSync(this.#archive(by), { recursive: true });
    this.#commands.push(`${by} ${args.join(' ')}   # at ${this.#now}`);
    return this.#programs[by].run(args, options);
  }

  #differ(what: string): never {
    throw new Difference(what, this.#commands);
  }
}
