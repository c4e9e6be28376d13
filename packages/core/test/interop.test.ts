/** redup and Debian's duplicity on the same archives; see interop.ts. */

import { describeInterop } from './interop.js';

describeInterop('duplicity-debian');
