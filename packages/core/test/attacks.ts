/** The attacks of hostile.test.ts: what lies in the target, and how it must end. */

import {
  delta,
  extension,
  folder,
  type HostileSet,
  link,
  member,
  paxRecord,
  plainFile,
  root,
} from './hostile-archive.js';

/** An attack by its name: what lies in the target. */
export type Attack = (scene: { readonly outside: string }) => readonly HostileSet[] | readonly Buffer[];

/** Outcomes: refused as a whole; something counted as not restored; or harmless, everything staying inside. */
export type Expected = 'refused' | 'counted' | 'harmless';

type Attacks = Readonly<Record<string, readonly [Expected, Attack]>>;

const evil = 'evil';
const NASTY = '../outside/secret';

const NAMES: Attacks = {
  'a name that climbs out': ['refused', () => [root(), plainFile(NASTY, evil)]],
  'a name that climbs out from deeper down': [
    'refused',
    () => [root(), folder('a'), plainFile('a/../../outside/secret', evil)],
  ],
  'the parent itself': ['refused', () => [root(), member({ name: 'snapshot/..', type: '5', mode: 0 })]],
  'a chunk that climbs out': [
    'refused',
    () => [root(), member({ name: 'multivol_snapshot/../outside/secret/1', content: evil })],
  ],
  'a delta that climbs out': ['refused', () => [root(), member({ name: `diff/${NASTY}`, content: evil })]],
  'a deletion that climbs out': ['refused', () => [root(), member({ name: `deleted/${NASTY}` })]],
  'a pax name that climbs out behind a harmless one': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, pax: { path: `snapshot/${NASTY}` } })],
  ],
  'a GNU long name that climbs out': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, longName: `snapshot/${NASTY}` })],
  ],
  'a ustar prefix that climbs out': [
    'refused',
    () => [root(), member({ name: 'outside/secret', prefix: 'snapshot/..', content: evil })],
  ],
  'a global pax name for everything': [
    'refused',
    () => [extension('g', paxRecord('path', `snapshot/${NASTY}`)), plainFile('a', evil)],
  ],
  'an absolute name without a kind': [
    'refused',
    ({ outside }) => [root(), member({ name: `${outside}/secret`, content: evil })],
  ],
  'an absolute name behind its kind': ['harmless', ({ outside }) => [root(), plainFile(`${outside}/secret`, evil)]],
  'a name of slashes and dots': ['counted', () => [root(), plainFile('/.//./', evil)]],
  'backslashes, which are only letters here': ['harmless', () => [root(), plainFile('..\\outside\\secret', evil)]],
  'a NUL in a pax name': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, pax: { path: 'snapshot/a\0/../../outside/secret' } })],
  ],
  'a component of 256 bytes': [
    'counted',
    () => [root(), member({ name: 'snapshot/a', pax: { path: `snapshot/${'n'.repeat(256)}` } })],
  ],
  'a name of 5,000 bytes': [
    'counted',
    () => [root(), member({ name: 'snapshot/a', pax: { path: `snapshot/${'n'.repeat(5000)}` } })],
  ],
  'a path of 2,000 folders': [
    'harmless',
    () => [root(), member({ name: 'snapshot/a', content: evil, pax: { path: `snapshot/${'d/'.repeat(300)}f` } })],
  ],
  'an unknown kind': ['refused', () => [root(), member({ name: 'overwrite/a', content: evil })]],
  'no name at all': ['refused', () => [root(), member({ name: '', content: evil })]],
};

const LINKS: Attacks = {
  'a link, then a file below it': ['counted', () => [root(), link('d', '../outside'), plainFile('d/secret', evil)]],
  'an absolute link, then a file below it': [
    'counted',
    ({ outside }) => [root(), link('d', outside), plainFile('d/new', evil)],
  ],
  'a link to a link, then a file below it': [
    'counted',
    () => [root(), link('a', 'b'), link('b', '../outside'), plainFile('a/secret', evil)],
  ],
  'a link to the folder above, then a file beside the target': [
    'counted',
    () => [root(), link('d', '..'), plainFile('d/beside', evil)],
  ],
  'a link, then a file of its name': ['counted', () => [root(), link('f', NASTY), plainFile('f', evil)]],
  'a link, then a folder of its name with other rights': [
    'counted',
    () => [root(), link('d', '../outside'), member({ name: 'snapshot/d/', type: '5', mode: 0 })],
  ],
  'a link, then a fifo of its name': [
    'counted',
    () => [root(), link('f', NASTY), member({ name: 'snapshot/f', type: '6' })],
  ],
  'a folder, then a link of its name, then a file below': [
    'counted',
    () => [root(), folder('d'), link('d', '../outside'), plainFile('d/secret', evil)],
  ],
  'a link in the full set, a file below it in the increment': [
    'counted',
    () => [{ volumes: [[root(), link('d', '../outside')]] }, { volumes: [[plainFile('d/secret', evil)]] }],
  ],
  'a link in the full set, a folder instead of it in the increment': [
    'harmless',
    () => [{ volumes: [[root(), link('d', '../outside')]] }, { volumes: [[folder('d'), plainFile('d/secret', evil)]] }],
  ],
  'a link in the full set, a delta to it in the increment': [
    'counted',
    () => [{ volumes: [[root(), link('f', NASTY)]] }, { volumes: [[delta('f', 0x04, 0x65, 0x76, 0x69, 0x6c, 0x00)]] }],
  ],
  'a link in capitals, then a file below it in small letters': [
    'harmless',
    () => [root(), link('D', '../outside'), plainFile('d/secret', evil)],
  ],
  'a link and a folder whose names differ in their accents’ form alone': [
    'harmless',
    () => [
      root(),
      member({ name: 'snapshot/x', pax: { path: 'snapshot/e\xcc\x81' }, type: '2', link: '../outside' }),
      member({ name: 'snapshot/y', pax: { path: 'snapshot/\xc3\xa9/secret' }, content: evil }),
    ],
  ],
  'a link as the root, then a file': ['counted', () => [link('', 'outside'), plainFile('secret', evil)]],
  'a file as the root, then one beside it': [
    'counted',
    () => [member({ name: 'snapshot/', content: evil }), plainFile('beside', evil)],
  ],
  'no root at all': ['harmless', () => [plainFile('beside', evil)]],
  'a link whose target has a NUL': [
    'counted',
    () => [root(), member({ name: 'snapshot/l', type: '2', pax: { linkpath: 'a\0b' } })],
  ],
  'a link whose target is empty': ['counted', () => [root(), link('l', '')]],
  'a link of 5,000 bytes': [
    'counted',
    () => [root(), member({ name: 'snapshot/l', type: '2', pax: { linkpath: 'l'.repeat(5000) } })],
  ],
  'a hard link out of the target': ['refused', () => [root(), member({ name: 'snapshot/h', type: '1', link: NASTY })]],
  'an absolute hard link': [
    'refused',
    ({ outside }) => [root(), member({ name: 'snapshot/h', type: '1', link: `${outside}/secret` })],
  ],
};

const TYPES: Attacks = {
  'a device with numbers that no device has': [
    'counted',
    () => [root(), member({ name: 'snapshot/dev', type: '3', major: 0o7777777, minor: 0o7777777 })],
  ],
  'a device as the root': ['harmless', () => [member({ name: 'snapshot/', type: '3', major: 1, minor: 3 })]],
  'a sparse file': ['refused', () => [root(), member({ name: 'snapshot/s', type: 'S' })]],
  'a type of no kind': ['refused', () => [root(), member({ name: 'snapshot/s', type: '\x7f' })]],
  'a setuid file of another user': [
    'harmless',
    () => [root(), member({ name: 'snapshot/s', mode: 0o6755, uid: 12_345, content: evil })],
  ],
  'a user name that is a command line': [
    'harmless',
    () => [root(), member({ name: 'snapshot/s', userName: '-s x;touch beside', content: evil })],
  ],
  'a folder with content': [
    'refused',
    () => [root(), member({ name: 'snapshot/d/', type: '5', content: 'not a header'.repeat(60) })],
  ],
};

const PAX: Attacks = {
  'a size larger than the volume': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, pax: { size: '99999999' } })],
  ],
  'a size smaller than the content': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: 'x'.repeat(2000), pax: { size: '3' } })],
  ],
  'a size of 2^60': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, pax: { size: String(2 ** 60) } })],
  ],
  'a negative size': ['refused', () => [root(), member({ name: 'snapshot/a', content: evil, pax: { size: '-512' } })]],
  'a header size of eight gigabytes': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, size: '77777777777' })],
  ],
  'a header size of letters': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, size: 'lots of it..' })],
  ],
  'an owner of 2^52': [
    'counted',
    () => [root(), member({ name: 'snapshot/a', content: evil, mode: 0o4755, pax: { uid: String(2 ** 52) } })],
  ],
  'an owner of -1': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, mode: 0o4755, pax: { uid: '-1' } })],
  ],
  'a time at the end of all days': [
    'harmless',
    () => [root(), member({ name: 'snapshot/a', content: evil, pax: { mtime: String(2 ** 53 - 1) } })],
  ],
  'a time before all days': [
    'counted',
    () => [root(), member({ name: 'snapshot/a', content: evil, pax: { mtime: String(-(2 ** 53) + 1) } })],
  ],
  'a time of letters': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', content: evil, pax: { mtime: 'yesterday' } })],
  ],
  'a record longer than its header': [
    'refused',
    () => [root(), member({ name: 'snapshot/a', rawPax: '99999 path=x\n' })],
  ],
  'a record of negative length': ['refused', () => [root(), member({ name: 'snapshot/a', rawPax: '-10 path=x\n' })]],
  'records without end': [
    'harmless',
    () => [root(), member({ name: 'snapshot/a', rawPax: paxRecord('x', '').repeat(100_000) })],
  ],
  'a pax header that claims gigabytes': [
    'refused',
    () => [root(), member({ name: 'x', type: 'x', size: '37777777777' })],
  ],
  'a long name that claims gigabytes': [
    'refused',
    () => [root(), member({ name: 'x', type: 'L', size: '37777777777' })],
  ],
  'pax headers one after another': [
    'harmless',
    () => [
      root(),
      ...Array.from({ length: 500 }, () => extension('x', paxRecord('path', 'snapshot/b'))),
      plainFile('a'),
    ],
  ],
};

const basis = (): Buffer => plainFile('f', 'b'.repeat(1000));
const increment = (...members: Buffer[]): HostileSet[] => [{ volumes: [[root(), basis()]] }, { volumes: [members] }];

const DELTAS: Attacks = {
  'a copy from behind the basis': ['counted', () => increment(delta('f', 0x4a, 0xff, 0x00, 0xff, 0x00))],
  'a copy that runs beyond the basis': ['counted', () => increment(delta('f', 0x4a, 0x00, 0x00, 0xff, 0xff, 0x00))],
  'a copy from a negative place': [
    'counted',
    () => increment(delta('f', 0x54, ...Array(8).fill(0xff), ...Array(8).fill(0x01), 0x00)),
  ],
  'a copy of 2^63 bytes': ['counted', () => increment(delta('f', 0x48, 0x00, 0x7f, ...Array(7).fill(0xff), 0x00))],
  'a literal of exabytes': ['counted', () => increment(delta('f', 0x44, 0x7f, ...Array(7).fill(0xff), 0x61))],
  'a command that is reserved': ['counted', () => increment(delta('f', 0xee, 0x00))],
  'no end': ['counted', () => increment(delta('f', 0x01, 0x61))],
  'another magic': ['counted', () => increment(member({ name: 'diff/f', content: 'rs\x01\x36............' }))],
  'nothing at all': ['counted', () => increment(member({ name: 'diff/f' }))],
  'a literal of two gigabytes in a volume of a few bytes': [
    'counted',
    () => increment(delta('f', 0x43, 0x7f, 0xff, 0xff, 0xff, 0x61)),
  ],
  'a thousand copies of all there is': [
    'harmless',
    () => increment(delta('f', ...Array.from({ length: 1000 }, () => [0x46, 0x00, 0x03, 0xe8]).flat(), 0x00)),
  ],
  'no basis': ['counted', () => increment(delta('other', 0x01, 0x61, 0x00))],
  'a folder as its basis': [
    'counted',
    () => [{ volumes: [[root(), folder('f')]] }, { volumes: [[delta('f', 0x01, 0x61, 0x00)]] }],
  ],
  'a deleted basis': [
    'counted',
    () => [
      { volumes: [[root(), basis()]] },
      { volumes: [[member({ name: 'deleted/f' })]] },
      { volumes: [[delta('f', 0x01, 0x61, 0x00)]] },
    ],
  ],
};

const chunk = (name: string, n: number | string, size = 65_536): Buffer =>
  member({ name: `multivol_snapshot/${name}/${n}`, content: Buffer.alloc(size, 'c') });

const ORDER: Attacks = {
  'entries backwards': ['harmless', () => [root(), plainFile('z'), plainFile('m'), plainFile('a')]],
  'children before their parent': ['harmless', () => [root(), plainFile('d/x'), folder('d')].slice(0, 2)],
  'the same file twice': ['counted', () => [root(), plainFile('a', 'one'), plainFile('a', 'two')]],
  'the same folder twice': ['counted', () => [root(), folder('d'), plainFile('d/x'), folder('d')]],
  'a file where a folder was': ['counted', () => [root(), folder('d'), plainFile('d/x'), plainFile('d', evil)]],
  'a folder where a file was': ['counted', () => [root(), plainFile('d', evil), folder('d'), plainFile('d/x')]],
  'a file below a file': ['counted', () => [root(), plainFile('d', evil), plainFile('d/x')]],
  'the root at the end': ['harmless', () => [plainFile('a'), root()]],
  'a chunk left out': ['counted', () => [root(), chunk('f', 1), chunk('f', 3, 10), plainFile('z')]],
  'chunks that begin with the second': ['counted', () => [root(), chunk('f', 2), chunk('f', 3, 10), plainFile('z')]],
  'chunks backwards': ['counted', () => [root(), chunk('f', 2), chunk('f', 1, 10), plainFile('z')]],
  'the last chunk left out': ['counted', () => [root(), chunk('f', 1), plainFile('z')]],
  'the last chunk left out at the end of all': ['counted', () => [root(), chunk('f', 1)]],
  'a chunk of number 0': ['refused', () => [root(), chunk('f', 0)]],
  'a chunk of a number without end': ['refused', () => [root(), chunk('f', '9'.repeat(40))]],
  'a chunk of another kind': [
    'counted',
    () => [root(), chunk('f', 1), member({ name: 'multivol_diff/f/2', content: 'x' })],
  ],
  'a short chunk in the middle': ['harmless', () => [root(), chunk('f', 1), chunk('f', 2, 10), chunk('f', 3, 10)]],
  'a chunk larger than chunks are': ['harmless', () => [root(), chunk('f', 1, 70_000), chunk('f', 2, 10)]],
};

const honest: readonly (readonly Buffer[])[] = [[root(), plainFile('a')]];
const withManifest = (manifest: HostileSet['manifest']): HostileSet[] => [
  { volumes: honest, ...(manifest === undefined ? {} : { manifest }) },
];

const MANIFESTS: Attacks = {
  'a volume of a negative number': ['refused', () => withManifest((text) => text.replace('Volume 1', 'Volume -1'))],
  'a volume of number 2^31': ['refused', () => withManifest((text) => text.replace('Volume 1', `Volume ${2 ** 31}`))],
  'a quote that does not end': [
    'refused',
    () => withManifest((text) => text.replace('StartingPath   .', 'StartingPath   "a')),
  ],
  'a block of a negative number': [
    'refused',
    () => withManifest((text) => text.replace('StartingPath   .  ', 'StartingPath   . -5')),
  ],
  'a block of 2^80': [
    'refused',
    () => withManifest((text) => text.replace('StartingPath   .  ', `StartingPath   . ${2n ** 80n}`)),
  ],
  'no volume at all': ['refused', () => withManifest(() => 'Hostname victim\n')],
  'no byte at all': ['refused', () => withManifest(() => '')],
  rubbish: ['refused', () => withManifest(() => '\x00\xff'.repeat(5000))],
  'a line of megabytes': ['refused', () => withManifest((text) => `Localdir ${'x'.repeat(3 << 20)}\n${text}`)],
  'paths that climb out': [
    'harmless',
    () => withManifest((text) => text.replace('EndingPath     \xff', 'EndingPath     ../../../\xff')),
  ],
  'a hash of a kind nobody knows': ['harmless', () => withManifest((text) => text.replace('SHA1', 'ROT13'))],
};

/** By what they abuse. */
export const ATTACKS: Readonly<Record<string, Attacks>> = {
  names: NAMES,
  links: LINKS,
  'types and rights': TYPES,
  'pax records and sizes': PAX,
  deltas: DELTAS,
  'order and chunks': ORDER,
  manifests: MANIFESTS,
};
