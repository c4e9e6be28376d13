/** redup as a library has nothing of its own: use `@redup/core`. The command is `main`. */
export { main } from './main.js';
