/**
 * Histories: a tree and what happens to it between one backup and the next.
 *
 * Mutations are generated without knowing the tree (they name their victim by a number), so that a history shrinks
 * well; `historyStates` carries them out. A change is always one that duplicity can see: it compares type, mode,
 * owner and whole-second mtime, never content, so a changed file gets another mtime.
 */

import fc from 'fast-check';

import {
  addEntry,
  modeArbitrary,
  mtimeArbitrary,
  nodeArbitrary,
  ownerArbitrary,
  pathArbitrary,
  sorted,
  type TreeOptions,
  treeArbitrary,
} from './arbitraries.js';
import { type Content, contentSize, seeded, sliceContent } from './content.js';
import type { FileNode, TreeModel, TreeNode } from './tree.js';

/** `victim` picks one of the entries that the mutation can be done to, modulo their number. */
export type Mutation =
  | { readonly kind: 'create'; readonly path: string; readonly node: TreeNode }
  | { readonly kind: 'replace'; readonly victim: number; readonly node: TreeNode }
  | { readonly kind: 'rename'; readonly victim: number; readonly path: string }
  | { readonly kind: 'delete'; readonly victim: number }
  | { readonly kind: 'chmod'; readonly victim: number; readonly mode: number }
  | { readonly kind: 'chown'; readonly victim: number; readonly uid?: number; readonly gid?: number }
  | { readonly kind: 'touch'; readonly victim: number; readonly mtime: number }
  | ContentMutation;

/** `at` is a place in the file in thousandths of its size. */
export type ContentMutation = { readonly victim: number; readonly seed: number; readonly mtime: number } & (
  | { readonly kind: 'edit'; readonly at: number; readonly remove: number; readonly insert: number }
  | { readonly kind: 'append'; readonly size: number }
  | { readonly kind: 'truncate'; readonly at: number }
  | { readonly kind: 'rewrite' }
);

export interface History {
  readonly initial: TreeModel;
  /** What happens before each further backup; a step may be empty. */
  readonly steps: readonly (readonly Mutation[])[];
}

export interface HistoryOptions extends TreeOptions {
  /** Default: 3. */
  readonly maxSteps?: number;
  /** Default: 6. */
  readonly maxMutations?: number;
}

export function historyArbitrary(options: HistoryOptions = {}): fc.Arbitrary<History> {
  const step = fc.array(mutationArbitrary(options), { maxLength: options.maxMutations ?? 6 });
  return fc.record({
    initial: treeArbitrary(options),
    steps: fc.array(step, { minLength: 1, maxLength: options.maxSteps ?? 3 }),
  });
}

export function mutationArbitrary(options: TreeOptions = {}): fc.Arbitrary<Mutation> {
  const victim = fc.nat(999);
  const thousandth = fc.nat(1000);
  const node = nodeArbitrary(options);
  const change = { victim, seed: fc.nat(9999), mtime: mtimeArbitrary() };
  const kind = <K extends Mutation['kind']>(name: K): { kind: fc.Arbitrary<K> } => ({ kind: fc.constant(name) });
  return fc.oneof(
    fc.record({ ...kind('create'), path: pathArbitrary(), node }),
    fc.record({ ...kind('replace'), victim, node }),
    fc.record({ ...kind('rename'), victim, path: pathArbitrary() }),
    fc.record({ ...kind('delete'), victim }),
    fc.record({ ...kind('chmod'), victim, mode: modeArbitrary(CHANGED_MODES, options) }),
    fc.tuple(victim, ownerArbitrary(options)).map(([victim, owner]) => ({ kind: 'chown' as const, victim, ...owner })),
    fc.record({ ...kind('touch'), victim, mtime: mtimeArbitrary() }),
    fc.record({ ...kind('edit'), ...change, at: thousandth, remove: fc.nat(70_000), insert: fc.nat(70_000) }),
    fc.record({ ...kind('append'), ...change, size: fc.nat(140_000) }),
    fc.record({ ...kind('truncate'), ...change, at: thousandth }),
    fc.record({ ...kind('rewrite'), ...change }),
  );
}

/** For files and directories alike: a user who isn't root still gets in. */
const CHANGED_MODES = [0o755, 0o700, 0o555, 0o777, 0o4755, 0o2775, 0o1777] as const;

/** The tree at each backup: the initial one and one after every step. */
export function historyStates(history: History): TreeModel[] {
  const states = [history.initial];
  let state = history.initial;
  for (const step of history.steps) {
    state = makeVisible(state, step.reduce(applyMutation, state));
    states.push(state);
  }
  return states;
}

/** The tree after a mutation; the same tree when nothing in it can be the victim. */
export function applyMutation(model: TreeModel, mutation: Mutation): TreeModel {
  const next = new Map(model);
  switch (mutation.kind) {
    case 'create':
      addEntry(next, mutation.path, mutation.node);
      break;
    case 'replace': {
      const victim = pick(model, mutation.victim, isNotTheRoot);
      if (victim === undefined) return model;
      removeSubtree(next, victim);
      next.set(victim, mutation.node);
      break;
    }
    case 'rename': {
      const victim = pick(model, mutation.victim, isNotTheRoot);
      return victim === undefined ? model : sorted(rename(model, victim, mutation.path));
    }
    case 'delete': {
      const victim = pick(model, mutation.victim, isNotTheRoot);
      if (victim !== undefined) removeSubtree(next, victim);
      break;
    }
    case 'chmod':
      update(next, pick(model, mutation.victim, isNoLink), (node) => ({ ...node, mode: mutation.mode }));
      break;
    case 'chown':
      update(next, pick(model, mutation.victim, isNoLink), (node) => withOwner(node, mutation));
      break;
    case 'touch':
      update(next, pick(model, mutation.victim, isNoLink), (node) => ({ ...node, mtime: mutation.mtime }));
      break;
    default:
      update(next, pick(model, mutation.victim, isFile), (node) =>
        node.type === 'file' ? { ...node, content: changed(node.content, mutation), mtime: mutation.mtime } : node,
      );
  }
  return sorted(next);
}

function changed(content: Content, mutation: ContentMutation): Content {
  const size = contentSize(content);
  switch (mutation.kind) {
    case 'edit': {
      const at = Math.floor((size * mutation.at) / 1000);
      const rest = sliceContent(content, at + mutation.remove, size);
      return [...sliceContent(content, 0, at), ...seeded(mutation.seed, mutation.insert), ...rest];
    }
    case 'append':
      return [...content, ...seeded(mutation.seed, mutation.size)];
    case 'truncate':
      return sliceContent(content, 0, Math.floor((size * mutation.at) / 1000));
    case 'rewrite':
      return seeded(mutation.seed, size);
  }
}

/** Takes back, or makes visible by the mtime, what duplicity's comparison (FORMAT.md §3) would miss. */
export function makeVisible(before: TreeModel, after: TreeModel): TreeModel {
  return new Map(
    [...after].map(([path, node]) => {
      const old = before.get(path);
      return [path, old === undefined || old.type !== node.type ? node : visible(old, node)];
    }),
  );
}

function visible(old: TreeNode, node: TreeNode): TreeNode {
  const looksSame = node.mode === old.mode && node.uid === old.uid && node.gid === old.gid;
  if (node.type === 'symlink' && old.type === 'symlink') return node.target === old.target ? old : node;
  if ('major' in node && 'major' in old) {
    return looksSame && node.major === old.major && node.minor === old.minor ? old : node;
  }
  if (node.type === 'file' && old.type === 'file' && looksSame && node.mtime === old.mtime) {
    return sameContent(node, old) ? node : { ...node, mtime: node.mtime + 1 };
  }
  return node;
}

function sameContent(a: FileNode, b: FileNode): boolean {
  return JSON.stringify(a.content) === JSON.stringify(b.content);
}

type Condition = (path: string, node: TreeNode) => boolean;
const isNotTheRoot: Condition = (path) => path !== '';
const isFile: Condition = (_, node) => node.type === 'file';
const isNoLink: Condition = (_, node) => node.type !== 'symlink';

function pick(model: TreeModel, victim: number, condition: Condition): string | undefined {
  const candidates = [...model].filter(([path, node]) => condition(path, node));
  return candidates[victim % candidates.length]?.[0];
}

function update(model: Map<string, TreeNode>, path: string | undefined, to: (node: TreeNode) => TreeNode): void {
  const node = path === undefined ? undefined : model.get(path);
  if (path !== undefined && node !== undefined) model.set(path, to(node));
}

function withOwner({ uid: _uid, gid: _gid, ...node }: TreeNode, owner: { uid?: number; gid?: number }): TreeNode {
  const numbers = owner.uid === undefined || owner.gid === undefined ? {} : { uid: owner.uid, gid: owner.gid };
  return { ...node, ...numbers } as TreeNode;
}

function subtree(model: ReadonlyMap<string, TreeNode>, path: string): [string, TreeNode][] {
  return [...model].filter(([other]) => other === path || other.startsWith(`${path}/`));
}

function removeSubtree(model: Map<string, TreeNode>, path: string): void {
  for (const [other] of subtree(model, path)) model.delete(other);
}

/** The same tree when the new place is taken, below the old one, or under something that isn't a directory. */
function rename(model: TreeModel, from: string, to: string): TreeModel {
  const moved = subtree(model, from);
  const next = new Map(model);
  removeSubtree(next, from);
  for (const [path, node] of moved) {
    const place = to + path.slice(from.length);
    addEntry(next, place, node);
    if (next.get(place) !== node) return model;
  }
  return next;
}
