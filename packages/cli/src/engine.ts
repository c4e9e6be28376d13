/** The one door to the engine: nothing else in this package names the package that a thing comes from. */

export * from '@redup/core';
