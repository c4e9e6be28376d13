/**
 * The rules of DESIGN.md about who may know whom, as a pure function from the workspace's files to violations.
 * Dependencies point one way: cli → core → { librsync-wasm, compress, openpgp, storage }; openpgp → compress;
 * storage-* → storage. The command also loads the storage-* packages, because somebody must register them.
 */

import { builtinModules } from 'node:module';

/** A file of the workspace; `path` is relative to `packages/`, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What matters of a package.json. */
export interface Manifest {
  /** The folder's name in `packages/`. */
  readonly folder: string;
  readonly name: string;
  readonly isPrivate: boolean;
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** One line a violation. */
export function findViolations(manifests: readonly Manifest[], files: readonly SourceFile[]): string[] {
  const workspace = new Map(manifests.map((manifest) => [manifest.name, manifest]));
  const violations = manifests.flatMap((manifest) => checkManifest(manifest, workspace));
  for (const file of files) {
    const [folder = ''] = file.path.split('/');
    const manifest = manifests.find((candidate) => candidate.folder === folder);
    if (manifest === undefined) {
      violations.push(`${file.path}: lies in no package`);
      continue;
    }
    const found = importsOf(file.text).flatMap(({ specifier, line }) => {
      const reasons = [checkImport(manifest, workspace, file.path, specifier), checkDoor(file.path, specifier)];
      return reasons.flatMap((reason) =>
        reason === undefined ? [] : [`${file.path}:${line}: ${specifier}: ${reason}`],
      );
    });
    violations.push(...found, ...checkPurity(file));
  }
  return violations;
}

/** The module specifiers that a source names, in `import`, `export … from`, `import()` and `import type`. */
export function importsOf(text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));
  const pattern = /(?:^|[\s;}])(?:import|from)\s*\(?\s*(['"])(?<specifier>[^'"\n]+)\1/g;
  return [...code.matchAll(pattern)].map((match) => ({
    specifier: match.groups?.['specifier'] ?? '',
    line: code.slice(0, match.index + match[0].length).split('\n').length,
  }));
}

const BASE = ['librsync-wasm', 'compress', 'openpgp', 'storage'];
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'librsync-wasm': [],
  compress: [],
  openpgp: ['compress'],
  storage: [],
  core: BASE,
  cli: ['core'],
  testkit: [],
  bench: [...BASE, 'core', 'cli', 'testkit'],
};
const PRIVATE = new Set(['testkit', 'bench']);

function mayUse(from: string, to: string): boolean {
  if (from.startsWith('storage-')) return to === 'storage';
  if (to.startsWith('storage-')) return from === 'cli' || from === 'bench';
  return ALLOWED[from]?.includes(to) ?? false;
}

function checkManifest(manifest: Manifest, workspace: ReadonlyMap<string, Manifest>): string[] {
  const { folder, dependencies, isPrivate } = manifest;
  const where = `${folder}/package.json`;
  const violations = dependencies.flatMap((name) => {
    const target = workspace.get(name)?.folder;
    return target === undefined || mayUse(folder, target) ? [] : [`${where}: ${folder} may not depend on ${target}`];
  });
  if (ALLOWED[folder] === undefined && !folder.startsWith('storage-')) {
    violations.push(`${where}: DESIGN.md knows no package ${folder}`);
  }
  if (PRIVATE.has(folder) !== isPrivate) violations.push(`${where}: ${isPrivate ? 'is' : 'is not'} private`);
  if (folder === 'librsync-wasm' && dependencies.length > 0) violations.push(`${where}: has dependencies`);
  return violations;
}

/** Tests may use the test kit and what their package.json lists for development; sources may not. */
function checkImport(
  manifest: Manifest,
  workspace: ReadonlyMap<string, Manifest>,
  path: string,
  specifier: string,
): string | undefined {
  if (specifier.startsWith('.')) {
    if (isWasmLibrary(path) && specifier.includes(WASM_COMMAND)) return 'librsync-wasm does not know its command';
    return leavesPackage(path, specifier) ? 'leads out of the package' : undefined;
  }
  const isTested = isTest(path);
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith('node:')) return 'is a module of Node, written without node:';
    return isWasmLibrary(path) ? 'librsync-wasm knows no API of Node' : undefined;
  }
  const name = packageName(specifier);
  const target = workspace.get(name)?.folder;
  if (target !== undefined && /\/(src|dist)(\/|$)/.test(specifier)) return 'goes past the exports of the package';
  if (isTested && (target === 'testkit' || !PRIVATE.has(target ?? ''))) return undefined;
  if (target !== undefined && target !== manifest.folder && !mayUse(manifest.folder, target)) {
    return `${manifest.folder} may not know ${target}`;
  }
  const declared = [...manifest.dependencies, ...(manifest.isPrivate ? manifest.devDependencies : [])];
  return declared.includes(name) || target === manifest.folder ? undefined : `is no dependency of ${manifest.folder}`;
}

/** Inside core/src one folder is one idea, and its index.ts the only door. */
function checkDoor(path: string, specifier: string): string | undefined {
  if (!path.startsWith('core/src/') || !specifier.startsWith('.')) return undefined;
  const from = path.split('/').slice(2, -1);
  const to = resolve(path, specifier).slice(2);
  const [room] = to;
  if (to.length < 2 || room === from[0] || (to.length === 2 && to[1] === 'index.js')) return undefined;
  return `the door of ${room}/ is its index.ts`;
}

/** `core/src/archive` is bytes in, values out: no I/O, no clock. */
function checkPurity({ path, text }: SourceFile): string[] {
  if (!path.startsWith('core/src/archive/') || isTest(path)) return [];
  const violations = importsOf(text)
    .filter(({ specifier }) => isBuiltin(specifier) && !PURE_MODULES.has(specifier))
    .map(({ specifier, line }) => `${path}:${line}: ${specifier}: archive/ does no I/O`);
  if (/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/.test(text))
    violations.push(`${path}: archive/ knows no clock`);
  if (/\bprocess\./.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''))) {
    violations.push(`${path}: archive/ knows no process`);
  }
  return violations;
}

const PURE_MODULES = new Set(['node:buffer', 'node:crypto', 'node:util', 'node:assert', 'node:zlib']);

/** The package runs anywhere, except the command that it brings along, which is a program of Node. */
function isWasmLibrary(path: string): boolean {
  return path.startsWith('librsync-wasm/') && !path.includes(WASM_COMMAND) && !isTest(path);
}

const WASM_COMMAND = '/rdiff-wasm/';

function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || /^[^/]+\/test\//.test(path);
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier);
}

function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function leavesPackage(path: string, specifier: string): boolean {
  return resolve(path, specifier)[0] !== path.split('/')[0];
}

/** The components of what a relative specifier means, from `packages/` on; `..` above it stays. */
function resolve(path: string, specifier: string): string[] {
  const components = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..' && components.length > 0) components.pop();
    else if (part !== '.') components.push(part);
  }
  return components;
}
