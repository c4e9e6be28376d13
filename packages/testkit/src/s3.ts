/** `@redup/testkit/s3`: a real S3 server and what stands between it and a client. */

export * from './s3/ceph.js';
export * from './s3/cold-tier.js';
export * from './s3/proxy.js';
export * from './s3/shared.js';
export * from './s3/users.js';
