/**
 * User and group names ↔ numbers, from the system's databases.
 *
 * Node has no getpwuid; `/etc/passwd` and `/etc/group` are read, and for an id or name that is not there
 * `getent` is asked once, so that directory services work too. An unknown id has the name ''.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ByteString, TarHeader } from '../archive/index.js';
import type { OwnerResolver } from './entry.js';

type Database = 'passwd' | 'group';

class NameTable {
  readonly #database: Database;
  readonly #byId = new Map<number, ByteString>();
  readonly #byName = new Map<ByteString, number | undefined>();

  constructor(database: Database) {
    this.#database = database;
    try {
      this.#add(readFileSync(`/etc/${database}`, 'latin1'));
    } catch {
      // No such file on this system: numbers alone are stored, as duplicity does for unknown ids.
    }
  }

  nameOf(id: number): ByteString {
    let name = this.#byId.get(id);
    if (name === undefined) {
      this.#ask(String(id));
      name = this.#byId.get(id) ?? '';
      this.#byId.set(id, name);
    }
    return name;
  }

  idOf(name: ByteString): number | undefined {
    if (!this.#byName.has(name)) {
      if (/^[A-Za-z0-9_.@-]+$/.test(name) && !/^[-0-9]/.test(name)) this.#ask(name);
      if (!this.#byName.has(name)) this.#byName.set(name, undefined);
    }
    return this.#byName.get(name);
  }

  #ask(key: string): void {
    const { status, stdout } = spawnSync('getent', [this.#database, '--', key], {
      encoding: 'latin1',
      timeout: 10_000,
    });
    if (status === 0) this.#add(stdout);
  }

  #add(text: ByteString): void {
    for (const line of text.split('\n')) {
      const [name = '', , id] = line.split(':');
      if (name === '' || id === undefined || !/^\d+$/.test(id)) continue;
      if (!this.#byId.has(Number(id))) this.#byId.set(Number(id), name);
      if (this.#byName.get(name) === undefined) this.#byName.set(name, Number(id));
    }
  }
}

/** Looks owners up in both directions. One per command: the databases may change between commands. */
export class OwnerMap implements OwnerResolver {
  readonly #users = new NameTable('passwd');
  readonly #groups = new NameTable('group');
  readonly #numeric: boolean;

  /** @param options.numeric take the numbers of archived entries and never their names (`--numeric-owner`) */
  constructor(options: { readonly numeric: boolean }) {
    this.#numeric = options.numeric;
  }

  userName(uid: number): ByteString {
    return this.#users.nameOf(uid);
  }

  groupName(gid: number): ByteString {
    return this.#groups.nameOf(gid);
  }

  uidOf(header: TarHeader): number {
    if (this.#numeric || header.userName === '') return header.uid;
    return this.#users.idOf(header.userName) ?? header.uid;
  }

  gidOf(header: TarHeader): number {
    if (this.#numeric || header.groupName === '') return header.gid;
    return this.#groups.idOf(header.groupName) ?? header.gid;
  }
}
