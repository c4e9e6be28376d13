/** Options of profiles. */

import type { OptionTable } from './spec.js';

const profiles = { group: 'Profiles', own: true } as const;

export const profileOptions = {
  config: {
    ...profiles,
    kind: 'path',
    arg: 'FILE',
    default: '~/.config/redup/redup.yaml, /etc/redup/redup.yaml',
    help: 'the configuration file with the profiles',
  },
  profile: { ...profiles, kind: 'text', arg: 'NAME', help: 'take target, keys and options from this profile' },
  all: { ...profiles, kind: 'flag', commands: ['run'], help: 'all profiles, one after the other' },
} as const satisfies OptionTable;
