/** Random histories of archives that redup and duplicity write in turns; see `scripts/histories.mjs`. */

export { Difference, playChronicle } from './play.js';
export { type Chronicle, chronicleArbitrary, SELECTIONS, type Step } from './steps.js';
