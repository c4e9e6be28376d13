/** `@redup/testkit/effects`: a real program that is killed, loses power or is refused something at any of its calls. */

export * from './effects/plan.js';
export * from './effects/run.js';
