/**
 * Loaded into a program under test with `node --import`: counts its calls of `node:fs` and its requests, and lets it suffer at one of
 * them as the plan in its environment says. The program is the one that users start; nothing in it knows of this.
 */

import fs from 'node:fs';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

import { type CallKind, KIND_OF, kindOfOpen, OpenFiles } from './calls.js';
import { type EffectPlan, PLAN_VARIABLE } from './plan.js';
import { PowerCut } from './power-cut.js';

type Func = (this: unknown, ...args: unknown[]) => unknown;
type Functions = Record<string, Func | undefined>;

interface Call {
  readonly name: string;
  readonly kind: CallKind | 'requests';
  readonly paths: readonly string[];
  /** Does half of it, where it can be halved. */
  readonly half?: () => unknown;
}

const original = { ...fs };
const files = new OpenFiles();
/** While a function of `node:fs` runs, those that it calls itself are part of it. */
let depth = 0;

class Sufferer {
  readonly #plan: EffectPlan;
  readonly #log: number;
  readonly power: PowerCut | undefined;
  #count = 0;

  constructor(plan: EffectPlan) {
    this.#plan = plan;
    this.#log = original.openSync(plan.log, 'a', 0o600);
    this.power = plan.suffering.kind === 'power-cut' ? new PowerCut() : undefined;
    const { suffering } = plan;
    if (suffering.kind !== 'power-cut') return;
    process.on('exit', () => this.power?.cut(suffering.seed));
  }

  concerns(paths: readonly string[]): boolean {
    return paths.some((path) => this.#plan.folders.some((folder) => path === folder || path.startsWith(`${folder}/`)));
  }

  /** Called before each call. Returns the error that it is to fail with. */
  meet(call: Call): Error | undefined {
    if (call.kind === 'reads' && this.#plan.calls === 'effects') return undefined;
    this.#count++;
    original.writeSync(this.#log, `${call.name} ${call.paths.join(' ')}\n`);
    const { at, suffering } = this.#plan;
    if (at === undefined) return undefined;
    if (suffering.kind === 'fail') {
      const isDue = this.#count === at || (suffering.lasting && this.#count > at && isLike(call, suffering.code));
      return isDue ? systemError(suffering.code, call) : undefined;
    }
    if (this.#count < at || suffering.kind === 'none') return undefined;
    if (suffering.kind === 'kill') call.half?.();
    else this.power?.cut(suffering.seed);
    process.kill(process.pid, 'SIGKILL');
    return undefined;
  }
}

/** A disk that is full refuses what takes space; files that are too many refuse what opens one. */
function isLike({ name, kind }: Call, code: string): boolean {
  if (code === 'EMFILE') return name === 'open' || name === 'opendir' || name === 'readdir' || name === 'readFile';
  if (code === 'ENOSPC') return kind === 'writes' || name === 'open' || name === 'mkdir' || name === 'mkdtemp';
  return true;
}

function systemError(code: string, { name, paths }: Call): Error {
  const path = Buffer.from(paths[0] ?? '', 'latin1').toString();
  const error = new Error(`${code}: injected, ${name} '${path}'`);
  return Object.assign(error, { code, errno: -1, syscall: name, path });
}

function install(sufferer: Sufferer): void {
  const sync = fs as unknown as Functions;
  const promises = fs.promises as unknown as Functions;
  for (const name of [...KIND_OF.keys(), 'open']) {
    wrap(sync, `${name}Sync`, name, sufferer);
    wrap(promises, name, name, sufferer);
  }
  wrapClose(sync);
  wrapHandles(promises, sufferer);
  wrapRequests(sufferer);
  syncBuiltinESMExports();
}

function wrap(owner: Functions, key: string, name: string, sufferer: Sufferer): void {
  const inner = owner[key];
  if (inner === undefined) return;
  owner[key] = function (this: unknown, ...args: unknown[]): unknown {
    const paths = files.pathsOf(name, args);
    if (depth > 0 || !sufferer.concerns(paths))
      return noted(
        name,
        args,
        around(() => inner.apply(this, args)),
      );
    const kind = name === 'open' ? kindOfOpen(args[1]) : (KIND_OF.get(name) ?? 'reads');
    if (kind !== 'reads') sufferer.power?.before(paths);
    const error = sufferer.meet({ name, kind, paths, ...halfOf(name, args) });
    if (error !== undefined && key.endsWith('Sync')) throw error;
    if (error !== undefined) return Promise.reject(error);
    return noted(
      name,
      args,
      around(() => inner.apply(this, args)),
      () => {
        tell(sufferer.power, name, kind, paths);
      },
    );
  };
}

function around<T>(call: () => T): T {
  depth++;
  try {
    return call();
  } finally {
    depth--;
  }
}

/** Remembers what was opened, and runs `then` when the call has succeeded. */
function noted(name: string, args: readonly unknown[], result: unknown, then = (): void => {}): unknown {
  const done = (value: unknown): unknown => {
    if (name === 'open') {
      const fd = typeof value === 'number' ? value : (value as fs.promises.FileHandle).fd;
      files.opened(fd, files.pathOf(args[0]) ?? '');
    }
    then();
    return value;
  };
  return result instanceof Promise ? result.then(done) : done(result);
}

function tell(
  power: PowerCut | undefined,
  name: string,
  kind: CallKind,
  [first = '', second = '']: readonly string[],
): void {
  if (power === undefined) return;
  if (kind === 'syncs') power.synced(first);
  else if (name === 'rename') power.renamed(first, second);
  else if (name === 'link') power.linked(first, second);
  else if (name === 'copyFile') power.created(second);
  else if (name === 'unlink' || name === 'rm' || name === 'rmdir') power.removed(first);
  else if (kind === 'names' || name === 'writeFile') power.created(first);
}

function halfOf(name: string, args: readonly unknown[]): { readonly half?: () => unknown } {
  const [fd, bytes, offset = 0, length, position] = args;
  if (name !== 'write' || typeof fd !== 'number' || !(bytes instanceof Uint8Array) || typeof offset !== 'number')
    return {};
  const all = typeof length === 'number' ? length : bytes.length - offset;
  const at = typeof position === 'number' ? position : null;
  return { half: () => original.writeSync(fd, bytes, offset, Math.floor(all / 2), at) };
}

function wrapClose(sync: Functions): void {
  const { closeSync } = original;
  sync['closeSync'] = (fd) => {
    files.closed(Number(fd));
    closeSync(Number(fd));
  };
}

/** Their methods are found on the first one that is opened: the class has no other door. */
function wrapHandles(promises: Functions, sufferer: Sufferer): void {
  const open = promises['open'];
  let isWrapped = false;
  promises['open'] = async (...args) => {
    const handle = (await open?.(...args)) as fs.promises.FileHandle;
    if (!isWrapped) {
      isWrapped = true;
      const prototype = Object.getPrototypeOf(handle) as Functions;
      for (const name of KIND_OF.keys()) wrapMethod(prototype, name, sufferer);
    }
    return handle;
  };
}

function wrapMethod(prototype: Functions, name: string, sufferer: Sufferer): void {
  const inner = prototype[name];
  if (inner === undefined) return;
  prototype[name] = async function (this: unknown, ...args: unknown[]): Promise<unknown> {
    const { fd } = this as fs.promises.FileHandle;
    const paths = files.pathsOf(name, [fd]);
    if (!sufferer.concerns(paths)) return inner.apply(this, args);
    const kind = KIND_OF.get(name) ?? 'reads';
    if (kind !== 'reads') sufferer.power?.before(paths);
    const error = sufferer.meet({ name, kind, paths, ...halfOf(name, [fd, ...args]) });
    if (error !== undefined) throw error;
    const result = await inner.apply(this, args);
    tell(sufferer.power, name, kind, paths);
    return result;
  };
}

/** A request that changes something counts twice: before it is sent, and when its answer has come but nobody has seen it. */
function wrapRequests(sufferer: Sufferer): void {
  const { request } = http;
  http.request = ((...args: Parameters<typeof request>) => {
    const sent = request(...args);
    const { method, path, host } = sent;
    if (method === 'GET' || method === 'HEAD') return sent;
    const call: Call = { name: method, kind: 'requests', paths: [`${host}${path}`] };
    sufferer.meet(call);
    sent.prependListener('response', () => {
      sufferer.meet({ ...call, name: `${method} answered` });
    });
    return sent;
  }) as typeof request;
}

const text = process.env[PLAN_VARIABLE];
if (text !== undefined && isMainThread) install(new Sufferer(JSON.parse(text)));
