/** A storage of one's own: any server that lists names as JSON and knows GET, HEAD, PUT (with If-None-Match) and DELETE. */

import type { CallOptions, GetOptions, PutOptions, Storage, StoredObject, UploadSource } from '@redup/storage';
import { checkName, digest, readSource, StorageError, type StorageErrorCode, sourceSize } from '@redup/storage';

const CODES: Readonly<Record<number, StorageErrorCode>> = { 401: 'credentials', 403: 'permission', 404: 'not-found' };

export class HttpStorage implements Storage {
  readonly createsExclusively = true;
  #closed = false;

  constructor(readonly url: string) {}

  async *list(options: CallOptions = {}): AsyncIterable<StoredObject> {
    const answer = await this.#call('GET', '', options);
    for (const { name, size } of (await answer.json()) as StoredObject[]) yield { name, size };
  }

  async stat(name: string, options: CallOptions = {}): Promise<StoredObject | undefined> {
    const answer = await this.#call('HEAD', name, { ...options, expected: [404] });
    return answer.ok ? { name, size: Number(answer.headers.get('content-length')) } : undefined;
  }

  async get(name: string, { start = 0, end, signal }: GetOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    checkName(name);
    if (end !== undefined && end <= start) return new Blob([]).stream();
    const range = { range: `bytes=${start}-${end === undefined ? '' : end - 1}` };
    const answer = await this.#call('GET', name, { ...(signal && { signal }), headers: range, expected: [416] });
    return answer.ok ? (answer.body ?? new Blob([]).stream()) : new Blob([]).stream();
  }

  async put(name: string, source: UploadSource, { ifExists = 'fail', sha256, signal, onProgress }: PutOptions = {}) {
    const size = sourceSize(source);
    const { digests, size: found } = await digest(await readSource(source, 0, size + 1), 'sha256');
    const wrong = found !== size || (sha256 !== undefined && digests[0]?.toString('hex') !== sha256);
    if (wrong) throw new StorageError('corrupt', 'the source is not what was announced', { permanent: true });
    const headers = ifExists === 'replace' ? {} : { 'if-none-match': '*' };
    const body = ReadableStream.from(await readSource(source, 0, size));
    const answer = await this.#call('PUT', name, { ...(signal && { signal }), headers, body, expected: [412] });
    const same = async () =>
      (await digest(await this.get(name), 'sha256')).digests[0]?.equals(digests[0] ?? Buffer.of());
    if (!answer.ok && !(ifExists === 'same' && (await same())))
      throw new StorageError('exists', `${name} is there already`, { subject: name });
    onProgress?.(size);
    return { name, size };
  }

  async remove(names: readonly string[], options: CallOptions = {}): Promise<void> {
    for (const name of names) checkName(name);
    for (const name of names) await this.#call('DELETE', name, { ...options, expected: [404] });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #call(method: string, name: string, { expected = [], ...init }: RequestInit & { expected?: number[] }) {
    if (name !== '' || method !== 'GET') checkName(name);
    if (this.#closed) throw new StorageError('closed', `${this.url} was closed`);
    const place = `${this.url}/${[...name].map((byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')}`;
    const answer = await fetch(place, { method, ...init, ...(init.body && { duplex: 'half' }) }).catch((cause) => {
      throw new StorageError(init.signal?.aborted ? 'aborted' : 'unreachable', String(cause), { subject: name, cause });
    });
    if (answer.ok || expected.includes(answer.status)) return answer;
    throw new StorageError(CODES[answer.status] ?? 'unreachable', `${method}: ${answer.status}`, { subject: name });
  }
}
