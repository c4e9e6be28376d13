/** The archive format, pure: bytes in, values out. No I/O, no clock, no configuration. */
export * from './bytes.js';
export * from './difftar.js';
export * from './manifest.js';
export * from './names.js';
export * from './sigtar.js';
export * from './tar.js';
export * from './tar-encoder.js';
export * from './tar-scanner.js';
export * from './tar-stream.js';
export * from './times.js';
