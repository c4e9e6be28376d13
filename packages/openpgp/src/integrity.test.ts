import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkMessage, openBytes, openKeys, type SealOptions, Secret, sealBytes } from './index.js';
import { KEY_KINDS, TestHome } from './testing/gnupg.js';
import { inPieces, outcomeOf } from './testing/messages.js';

const PASS = 'pass';
const passphrase = Secret.fromText(PASS);
const home = new TestHome();
const data = Buffer.concat([Buffer.alloc(1500, 'text of a backup '), randomBytes(1500), Buffer.alloc(9000, 'tail ')]);

afterAll(() => home.remove());

/** Messages by gpg and by this package, compressed and not, in one packet and in parts. */
async function realMessages(): Promise<Map<string, Buffer>> {
  const seal = async (options: Pick<SealOptions, 'compression'>): Promise<Buffer> =>
    Buffer.from(await sealBytes(data, { ...options, passphrase, s2kCountOctet: 0x10 }));
  const gpg = (...args: string[]): Buffer => home.gpg(['--s2k-count', '1024', '--symmetric', ...args], data, PASS);
  return new Map([
    ['sealed here with zip', await seal({ compression: 'zip' })],
    ['sealed here with zlib', await seal({ compression: 'zlib' })],
    ['sealed here without compression', await seal({ compression: 'none' })],
    ['by gpg', gpg()],
    ['by gpg without compression', gpg('--compress-algo', 'none')],
    ['by gpg with BZip2', gpg('--compress-algo', 'bzip2')],
    ['by gpg with CAST5', gpg('--cipher-algo', 'CAST5')],
    ['by gpg with 3DES', gpg('--cipher-algo', '3DES')],
  ]);
}

let messages: Map<string, Buffer>;
beforeAll(async () => {
  messages = await realMessages();
});

/** Opened as good, with other bytes than it had, is the one thing that must never happen. */
async function expectRefused(message: Uint8Array, what: string): Promise<string> {
  const { code, error } = await outcomeOf(message, { passphrase, maxBytes: 1 << 20 }, 1000);
  expect(`${what}: ${code}`).not.toBe(`${what}: good`);
  // A typed error, never a TypeError or an error of some layer below.
  expect(`${what}: ${(error as Error).name}`).toBe(`${what}: OpenPgpError`);
  return code;
}

/** Where the encrypted data begins: in front of it, changes may merely make the key unreadable. */
const MUTATIONS: Record<string, (message: Buffer, at: number, other: Buffer) => Buffer> = {
  'a flipped bit': (m, at) => {
    const bad = Buffer.from(m);
    bad[at] = (bad[at] as number) ^ (1 << (at % 8));
    return bad;
  },
  'a changed byte': (m, at) => {
    const bad = Buffer.from(m);
    bad[at] = ((bad[at] as number) + 1 + (at % 254)) & 0xff;
    return bad;
  },
  'a cut end': (m, at) => m.subarray(0, at),
  'a missing byte': (m, at) => Buffer.concat([m.subarray(0, at), m.subarray(at + 1)]),
  'a doubled byte': (m, at) => Buffer.concat([m.subarray(0, at + 1), m.subarray(at)]),
  'a zeroed run': (m, at) =>
    Buffer.concat([m.subarray(0, at), Buffer.alloc(Math.min(16, m.length - at)), m.subarray(at + 16)]),
  'exchanged blocks': (m, at) => {
    const [a, b] = [at, (at + 32) % m.length].sort((x, y) => x - y) as [number, number];
    if (b + 16 > m.length || b < a + 16) return m.subarray(0, at);
    return Buffer.concat([
      m.subarray(0, a),
      m.subarray(b, b + 16),
      m.subarray(a + 16, b),
      m.subarray(a, a + 16),
      m.subarray(b + 16),
    ]);
  },
  // Behind the salt, where the other message's key no longer fits.
  'another message’s tail': (m, at, other) => {
    const from = Math.max(at, 24);
    return Buffer.concat([m.subarray(0, from), other.subarray(from)]);
  },
  'its own start appended': (m, at) => Buffer.concat([m, m.subarray(0, at + 1)]),
};

describe('of more than 2,000 mutations of real messages', () => {
  it.each(Object.keys(MUTATIONS))(
    '%s: none is opened as good',
    async (name) => {
      const mutate = MUTATIONS[name];
      if (mutate === undefined) throw new Error('No such mutation');
      const other = Buffer.from(
        await sealBytes(randomBytes(4000), { passphrase, compression: 'zip', s2kCountOctet: 0x10 }),
      );
      let tried = 0;
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...messages.keys()), fc.nat(), async (kind, place) => {
          const message = messages.get(kind) as Buffer;
          const bad = mutate(message, place % message.length, other);
          if (bad.equals(message)) return;
          const { code, plain } = await outcomeOf(bad, { passphrase, maxBytes: 1 << 20 }, 1000);
          tried += 1;
          // Three header bits carry no meaning: a packet's old and new form with the same content are the same message.
          if (code === 'good') expect(plain.equals(data)).toBe(true);
          if (code === 'good') expect(isInHeader(message, place % message.length)).toBe(true);
        }),
        { numRuns: 260 },
      );
      expect(tried).toBeGreaterThan(230);
    },
    60_000,
  );

  it('every single bit of the last 40 bytes and every truncation near the end counts', async () => {
    for (const [kind, message] of messages) {
      for (let at = message.length - 40; at < message.length; at++) {
        const bad = Buffer.from(message);
        bad[at] = (bad[at] as number) ^ (1 << (at % 8));
        await expectRefused(bad, `${kind}, byte ${at}`);
        await expectRefused(message.subarray(0, at), `${kind}, cut at ${at}`);
      }
    }
  });
});

/** Old and new headers of the outer packets: within the first 20 bytes. */
function isInHeader(message: Buffer, at: number): boolean {
  return at < 20 && message.length > 40;
}

/** A message built by hand around any inner packets, with a valid integrity code: what an attacker who knows the passphrase can make. */
function craft(inner: Uint8Array, options: { tag?: number; withoutMdc?: boolean } = {}): Buffer {
  const salt = randomBytes(8);
  const key = createHash('sha256').update(salt).update(PASS).digest();
  const skesk = Buffer.from([0xc3, 12, 4, 9, 1, 8, ...salt]);
  const random = randomBytes(16);
  const prefix = Buffer.concat([random, random.subarray(14)]);
  const content = Buffer.concat([prefix, inner, Buffer.from([0xd3, 0x14])]);
  const mdc = createHash('sha1').update(content).digest();
  const plain = options.withoutMdc ? Buffer.concat([prefix, inner]) : Buffer.concat([content, mdc]);
  const encrypted = createCipheriv('aes-256-cfb', key, Buffer.alloc(16)).update(plain);
  return Buffer.concat([
    skesk,
    wrap(options.tag ?? 18, Buffer.concat([Buffer.from(options.tag === 9 ? [] : [1]), encrypted])),
  ]);
}

function wrap(tag: number, body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([Buffer.from([0xc0 | tag, 0xff]), length, body]);
}

const literal = wrap(11, Buffer.concat([Buffer.from([0x62, 0, 0, 0, 0, 0]), Buffer.from('content')]));
const longLiteral = wrap(11, Buffer.concat([Buffer.from([0x62, 0, 0, 0, 0, 0]), randomBytes(300)]));
const compressed = (inner: Uint8Array): Buffer => wrap(8, Buffer.concat([Buffer.from([1]), deflateRawSync(inner)]));

describe('a message made by someone who knows the passphrase', () => {
  it('is opened when it is as it should be (the tool of these tests works)', async () => {
    expect((await outcomeOf(craft(literal), { passphrase })).plain.toString()).toBe('content');
    expect((await outcomeOf(craft(compressed(literal)), { passphrase })).plain.toString()).toBe('content');
  });

  it.each<[string, () => Buffer, string]>([
    ['as the old packet without MDC', () => craft(literal, { tag: 9, withoutMdc: true }), 'no-integrity'],
    ['with its MDC stripped', () => craft(compressed(longLiteral), { withoutMdc: true }), 'modified'],
    ['with its MDC stripped and shorter than one', () => craft(literal, { withoutMdc: true }), 'truncated'],
    ['that ends too early', () => craft(compressed(longLiteral)).subarray(0, -1), 'truncated'],
    ['with another encrypted message in it', () => craft(craft(literal)), 'damaged'],
    ['with an encrypted packet in it', () => craft(wrap(18, Buffer.alloc(50))), 'refused'],
    ['compressed twice', () => craft(compressed(compressed(literal))), 'refused'],
    ['with two contents', () => craft(Buffer.concat([literal, literal])), 'refused'],
    ['with two contents in compressed data', () => craft(compressed(Buffer.concat([literal, literal]))), 'refused'],
    [
      'with something behind its compressed data',
      () => craft(Buffer.concat([compressed(literal), literal])),
      'damaged',
    ],
    ['with no content', () => craft(Buffer.alloc(0)), 'damaged'],
    ['with no content in compressed data', () => craft(compressed(Buffer.alloc(0))), 'damaged'],
    [
      'with a content longer than the message',
      () => craft(Buffer.from([0xcb, 0xff, 0xff, 0xff, 0xff, 0xff, 0x62, 0])),
      'damaged',
    ],
    ['with broken compressed data', () => craft(wrap(8, Buffer.from([1, 0xff, 0xff]))), 'damaged'],
    ['with an unknown compression', () => craft(wrap(8, Buffer.from([77, 1, 2]))), 'unsupported'],
    ['with a key packet as content', () => craft(wrap(6, Buffer.alloc(20))), 'damaged'],
    ['with an endless signature', () => craft(Buffer.concat([wrap(2, Buffer.alloc(70_000)), literal])), 'refused'],
    ['that is no packet inside', () => craft(Buffer.from('plain text')), 'damaged'],
    ['that is not encrypted', () => literal, 'not-encrypted'],
    ['that is compressed only', () => compressed(literal), 'not-encrypted'],
    ['that is text', () => Buffer.from('-----BEGIN PGP MESSAGE-----\n'), 'not-openpgp'],
    ['that is empty', () => Buffer.alloc(0), 'truncated'],
    [
      'with a hundred passphrase packets',
      () => Buffer.concat([...Array(100).fill(craft(literal).subarray(0, 14)), craft(literal)]),
      'refused',
    ],
    [
      'with a thousand key packets',
      () =>
        Buffer.concat([
          ...Array(1000).fill(wrap(1, Buffer.concat([Buffer.from([3]), Buffer.alloc(20)]))),
          craft(literal),
        ]),
      'refused',
    ],
    ['with a session key packet of 4 GiB', () => Buffer.from([0xc3, 0xff, 0xff, 0xff, 0xff, 0xff, 4]), 'refused'],
    [
      'with an Argon2 derivation',
      () => Buffer.from([0xc3, 22, 4, 9, 4, ...Buffer.alloc(16), 255, 255, 31]),
      'unsupported',
    ],
    [
      'with an unknown version of encrypted data',
      () => Buffer.concat([craft(literal).subarray(0, 14), wrap(18, Buffer.from([2, 9, 2, 6]))]),
      'unsupported',
    ],
    [
      'with AEAD chunks of many gigabytes',
      () => Buffer.concat([craft(literal).subarray(0, 14), wrap(20, Buffer.from([1, 9, 2, 40, ...Buffer.alloc(80)]))]),
      'refused',
    ],
  ])('%s is refused', async (_name, make, code) => {
    for (const pieceBytes of [1, 7, 1 << 20])
      expect((await outcomeOf(make(), { passphrase }, pieceBytes)).code).toBe(code);
  });

  it('that is a bomb stops at maxBytes, or says its size when nothing limits it', async () => {
    const inner = wrap(11, Buffer.concat([Buffer.from([0x62, 0, 0, 0, 0, 0]), Buffer.alloc(50_000_000)]));
    const bomb = craft(compressed(inner));
    expect(bomb.length).toBeLessThan(100_000);
    const { code, plain } = await outcomeOf(bomb, { passphrase, maxBytes: 1_000_000 });
    expect([code, plain.length <= 1_000_000]).toEqual(['too-large', true]);
    expect(await checkMessage(inPieces(bomb, 65_536), { passphrase })).toBe(50_000_000);
  });
});

describe('checkMessage', () => {
  it('passes a good message and throws for a damaged one, giving nothing out', async () => {
    const message = messages.get('by gpg') as Buffer;
    expect(await checkMessage(inPieces(message, 100), { passphrase })).toBe(data.length);
    const bad = Buffer.from(message);
    bad[bad.length - 1] = (bad[bad.length - 1] as number) ^ 1;
    await expect(checkMessage(inPieces(bad, 100), { passphrase })).rejects.toMatchObject({ code: 'modified' });
  });
});

describe('a signed message to a key', () => {
  it('is never opened as good when its signature or data were changed', async () => {
    const { fingerprint } = home.generate('mutate@example.org', KEY_KINDS['p256'] ?? []);
    const keys = await openKeys(home.gpg(['--export-secret-keys', fingerprint]));
    const requireSigner = await keys.trustedSigner(fingerprint);
    const message = home.gpg(['--sign', '--encrypt', '-u', fingerprint, '-r', fingerprint], data);
    expect(data.equals(await openBytes(message, { keys, requireSigner }))).toBe(true);
    for (let i = 0; i < 60; i++) {
      const at = Math.floor((i * message.length) / 60);
      const bad = Buffer.from(message);
      bad[at] = (bad[at] as number) ^ 0x10;
      const { code, error } = await outcomeOf(bad, { keys, requireSigner });
      expect(code).not.toBe('good');
      expect((error as Error).name).toBe('OpenPgpError');
    }
  });
});
