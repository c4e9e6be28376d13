/**
 * Users with the rights that docs/s3.md gives, and nothing else; the SDK as its owner uses it, to look and to plant; and
 * Amazon's policy against overwriting, which Ceph doesn't know, as a proxy's plan.
 */

import { readFileSync } from 'node:fs';
import * as sdk from '@aws-sdk/client-s3';
import { createS3User, type S3Server } from './ceph.js';
import type { ProxyPlan } from './proxy.js';

const DOCUMENT = new URL('../../../../docs/s3.md', import.meta.url);

export interface S3Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Where users may work. */
export interface S3Place {
  readonly server: S3Server;
  readonly bucket: string;
  /** Without slashes at its ends. */
  readonly prefix: string;
}

/** The SDK without redup, as the owner of all buckets. */
export function s3Client({ endpoint, accessKey: accessKeyId, secretKey: secretAccessKey }: S3Server): sdk.S3Client {
  return new sdk.S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
}

/** Everything stored in a place: key below the prefix → ETag. */
export async function storedIn({ server, bucket, prefix }: S3Place): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const pages = sdk.paginateListObjectsV2({ client: s3Client(server) }, { Bucket: bucket, Prefix: `${prefix}/` });
  for await (const { Contents = [] } of pages) {
    for (const { Key = '', ETag = '' } of Contents) found.set(Key.slice(prefix.length + 1), ETag);
  }
  return found;
}

interface Statement {
  readonly Sid: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
}

/** One user for each of the documented policies (`backup`, `restore`, `retention`) on the same place. */
export async function createLimitedUsers<K extends string>(
  place: S3Place,
  policies: readonly K[],
): Promise<Record<K, S3Keys>> {
  const { server, bucket } = place;
  const statements: object[] = [];
  const keys: Partial<Record<K, S3Keys>> = {};
  for (const policy of policies) {
    const id = `${policy}-${bucket}`;
    keys[policy] = await createS3User(server, id);
    const allowed = documented(policy, place);
    const Principal = { AWS: [`arn:aws:iam:::user/${id}`] };
    for (const { Sid: _unused, ...rest } of allowed) statements.push({ ...rest, Principal });
    for (const statement of nothingElse(allowed)) statements.push({ ...statement, Principal });
  }
  const all = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  statements.push({ Effect: 'Allow', Action: 's3:*', Resource: all, Principal: { AWS: ['arn:aws:iam:::user/redup'] } });
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  await s3Client(server).send(new sdk.PutBucketPolicyCommand({ Bucket: bucket, Policy }));
  return keys as Record<K, S3Keys>;
}

/** A policy as the documentation prints it, for this place. */
function documented(policy: string, { bucket, prefix }: S3Place): Statement[] {
  const document = readFileSync(DOCUMENT, 'utf8');
  const text = new RegExp(`\`\`\`json ${policy}\\n([\\s\\S]*?)\`\`\``).exec(document)?.[1] ?? '';
  return JSON.parse(text.replaceAll('my-backups/laptop', `${bucket}/${prefix}`).replaceAll('my-backups', bucket))
    .Statement;
}

/**
 * What a policy doesn't allow is forbidden. Amazon means that by itself for users of one account; Ceph's users are
 * accounts of their own, and would have all rights in the objects that they made.
 */
function nothingElse(statements: readonly Statement[]): object[] {
  const actions = [...new Set(statements.flatMap(({ Action }) => Action))];
  const onlyThere = actions.map((Action) => ({
    Effect: 'Deny',
    Action,
    NotResource: statements
      .filter((statement) => [statement.Action].flat().includes(Action))
      .flatMap(({ Resource }) => Resource),
  }));
  const resources = [...new Set(statements.flatMap(({ Resource }) => Resource))];
  return [...onlyThere, { Effect: 'Deny', NotAction: actions, Resource: resources }];
}

/** The statement `NeverOverwrite` of docs/s3.md: an object is created under the condition that it isn't there, or not at all. */
export const neverOverwrite: ProxyPlan = ({ method, url, headers }) => {
  const [path = '', query = ''] = url.split('?');
  if (!/^\/[^/]+\/./.test(path)) return undefined; // a bucket, no object
  const creates =
    (method === 'PUT' && !/\b(partNumber|retention)\b/.test(query)) || (method === 'POST' && /\buploadId=/.test(query));
  if (!creates || headers['if-none-match'] !== undefined) return undefined;
  return { kind: 'answer', status: 403, code: 'AccessDenied', message: 'explicit deny in an identity-based policy' };
};
