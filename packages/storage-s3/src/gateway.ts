/**
 * The one door to the server: makes the SDK's client, repeats what failed for a passing reason (the SDK's own retries are
 * off, so that `--num-retries` means what it says), and repairs what can be repaired: follows a bucket to its
 * region, corrects for a clock that is off, reads credentials anew when they expired.
 */

import { createHash } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP } from 'node:net';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { type RetryPolicy, retrying, retryPolicy, StorageError } from '@redup/storage';
import { failureOf, type S3Call, translate } from './errors.js';
import { displayUrl, type S3Location } from './location.js';
import type { S3Notice, S3Options } from './options.js';

export type Sdk = typeof import('@aws-sdk/client-s3');

/** What a call is about; the rest of {@link S3Call} is filled in here. */
export interface Call {
  readonly action: string;
  readonly subject: string;
  readonly permission: string;
  readonly signal?: AbortSignal | undefined;
  /** False: one attempt, for cleaning up after a failure. */
  readonly retry?: boolean;
}

export interface AttemptContext {
  readonly client: S3Client;
  /** For `client.send(command, http)`. */
  readonly http: { readonly abortSignal?: AbortSignal };
  /** From 1; above 1 an earlier attempt may have had its effect. */
  readonly attempt: number;
}

const POOL = { keepAlive: true, maxSockets: 64 };

export class Gateway {
  readonly place: S3Call['place'];
  readonly #sdk: Sdk;
  readonly #options: S3Options;
  readonly #policy: RetryPolicy;
  readonly #endpoint: string | undefined;
  readonly #httpAgent = new HttpAgent(POOL);
  readonly #httpsAgent = new HttpsAgent(POOL);
  #region: string | undefined;
  #client: S3Client;
  /** When the credentials were read; an expiry soon after reading them anew is final. */
  #credentialsReadAt = Date.now();
  #closed = false;

  /** @throws StorageError `bad-option` */
  static async open(sdk: Sdk, location: S3Location, options: S3Options): Promise<Gateway> {
    const gateway = new Gateway(sdk, location, options);
    // No region anywhere is no reason to fail: a bucket that is elsewhere will be followed.
    if (gateway.#region === undefined) gateway.#region = await gateway.region().catch(() => 'us-east-1');
    gateway.#reconnect();
    return gateway;
  }

  private constructor(sdk: Sdk, location: S3Location, options: S3Options) {
    this.#sdk = sdk;
    this.#options = options;
    this.#policy = options.retry ?? retryPolicy();
    this.#endpoint = endpointOf(location, options);
    this.#region = options.region;
    this.place = {
      url: displayUrl(location),
      bucket: location.bucket,
      endpoint: withoutUser(this.#endpoint) ?? 'Amazon S3',
    };
    this.#client = this.#connect();
  }

  /** The region requests are signed for. */
  async region(): Promise<string> {
    return this.#client.config.region();
  }

  notice(code: S3Notice['code'], message: string): void {
    this.#options.onNotice?.({ code, message });
  }

  /**
   * Runs `attempt` with the retry policy. It must build its command (and the body's stream) anew each time.
   *
   * @throws StorageError
   */
  async call<T>(call: Call, attempt: (context: AttemptContext) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StorageError('closed', `${this.place.url} was closed`, { subject: call.subject });
    const policy = call.retry === false ? { ...this.#policy, attempts: 1 } : this.#policy;
    const http = call.signal ? { abortSignal: call.signal } : {};
    return retrying(policy, call.action, call.signal, async (number) => {
      for (let repairs = 0; ; repairs += 1) {
        try {
          return await attempt({ client: this.#client, http, attempt: number + repairs });
        } catch (error) {
          const translated = translate(error, { ...call, place: this.place });
          if (repairs >= 3 || call.signal?.aborted || !(await this.#repair(translated, error))) throw translated;
        }
      }
    });
  }

  close(): void {
    this.#closed = true;
    this.#client.destroy();
  }

  /** Whether the cause of an error is gone now, so that trying again at once makes sense. */
  async #repair(error: StorageError, cause: unknown): Promise<boolean> {
    switch (error.code) {
      case 'clock-skew':
        return this.#correctClock(cause);
      case 'wrong-region':
        return this.#followRegion(cause);
      case 'credentials':
        return this.#reloadCredentials(cause);
      default:
        return false;
    }
  }

  /** The SDK has taken the server's time from its answer and signs with the difference from now on. */
  #correctClock(cause: unknown): boolean {
    if (!failureOf(cause).clockSkewCorrected) return false;
    const seconds = Math.round(this.#client.config.systemClockOffset / 1000);
    this.notice(
      'clock-corrected',
      `this machine's clock is ${seconds} s behind the S3 server's: requests are corrected, but set the clock`,
    );
    return true;
  }

  async #followRegion(cause: unknown): Promise<boolean> {
    const { headers, region: named } = failureOf(cause);
    const region = headers['x-amz-bucket-region'] ?? named;
    if (region === undefined || !/^[a-z0-9-]{2,40}$/.test(region) || region === (await this.region())) return false;
    this.notice(
      'region-followed',
      `the bucket ${this.place.bucket} is in the region ${region}: give --s3-region-name ${region}`,
    );
    this.#region = region;
    this.#reconnect();
    return true;
  }

  /** The default chain is asked again: files, SSO caches and metadata services may hold newer credentials. */
  async #reloadCredentials(cause: unknown): Promise<boolean> {
    const expired = /Expired|TokenRefreshRequired/.test(failureOf(cause).code);
    if (!expired || this.#options.credentials !== undefined || Date.now() - this.#credentialsReadAt < 1000)
      return false;
    this.#credentialsReadAt = Date.now();
    this.notice('credentials-reloaded', 'the AWS credentials expired and were read anew');
    this.#reconnect();
    return true;
  }

  /** Requests under way keep the old client's connections, which end by themselves. */
  #reconnect(): void {
    this.#client = this.#connect();
  }

  #connect(): S3Client {
    const { credentials, addressing = 'auto' } = this.#options;
    const timeoutMs = this.#options.timeoutMs ?? 30_000;
    // `ignoreCache` reaches the file providers of the default chain, which else answer from the process's memory for ever.
    const config: S3ClientConfig & { ignoreCache: boolean } = {
      ignoreCache: true,
      maxAttempts: 1,
      // The SDK's default logger is the console, for warnings; a library prints nothing.
      logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
      // Our own checksums, sent as headers: trailing ones (the default) need a transfer encoding that many servers refuse.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      forcePathStyle: usesPath(addressing, this.#endpoint),
      requestHandler: {
        connectionTimeout: timeoutMs,
        socketTimeout: timeoutMs,
        // Warnings about a busy pool are for web servers; waiting uploads are what this program does.
        socketAcquisitionWarningTimeout: 2 ** 31 - 1,
        httpAgent: this.#httpAgent,
        httpsAgent: this.#httpsAgent,
      },
      ...(this.#region === undefined ? {} : { region: this.#region }),
      ...(this.#endpoint === undefined ? {} : { endpoint: this.#endpoint }),
      ...(credentials === undefined ? {} : { credentials }),
    };
    const client = quietly(() => new this.#sdk.S3Client(config));
    client.middlewareStack.add(
      (next) => (args) => {
        addBodyHashes(args.request as HttpRequest);
        return next(args);
      },
      { step: 'build', name: 'addBodyHashes' },
    );
    return client;
  }
}
function endpointOf({ host }: S3Location, options: S3Options): string | undefined {
  const scheme = options.unencryptedConnection ? 'http' : 'https';
  const given =
    options.endpointUrl ??
    (host === undefined ? undefined : `${scheme}://${host}`) ??
    process.env['AWS_ENDPOINT_URL_S3'] ??
    process.env['AWS_ENDPOINT_URL'];
  if (given === undefined || given === '') {
    return options.unencryptedConnection ? `http://s3.${options.region ?? 'us-east-1'}.amazonaws.com` : undefined;
  }
  const url = /^[a-z]+:\/\//i.test(given) ? given : `${scheme}://${given}`;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new StorageError('bad-option', 'the S3 endpoint is not a URL', {
      hint: 'write --s3-endpoint-url https://host:port',
    });
  }
  return options.unencryptedConnection ? url.replace(/^https:/i, 'http:') : url;
}

function withoutUser(endpoint: string | undefined): string | undefined {
  return endpoint === undefined ? undefined : new URL(endpoint).origin;
}

/** An IP address has no subdomains; most servers other than Amazon's have none set up. */
function usesPath(addressing: 'auto' | 'path' | 'virtual', endpoint: string | undefined): boolean {
  if (addressing === 'path') return true;
  if (endpoint === undefined) return false;
  const { hostname } = new URL(endpoint);
  if (hostname === 'localhost' || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return true;
  return addressing === 'auto' && !/(^|\.)amazonaws\.com(\.cn)?$/.test(hostname);
}

const bodyHashes = new WeakMap<object, string>();

/** Has the request that will carry this body signed together with its SHA-256, which the server then checks. */
export function signWith(body: object, sha256: Buffer): void {
  bodyHashes.set(body, sha256.toString('hex'));
}

/** What the SDK is about to sign and send. */
interface HttpRequest {
  readonly headers: Record<string, string>;
  readonly query?: object;
  readonly body?: unknown;
}

/** The hash of a stream goes into its request; a batch of removals carries the MD5 that older servers insist on. */
function addBodyHashes({ body, headers, query = {} }: HttpRequest): void {
  const hash = typeof body === 'object' && body !== null ? bodyHashes.get(body) : undefined;
  if (hash !== undefined) headers['x-amz-content-sha256'] = hash;
  if (typeof body === 'string' && 'delete' in query)
    headers['content-md5'] = createHash('md5').update(body).digest('base64');
}

/**
 * On Node 20 the SDK announces the end of its support on stderr at each start, which cron would mail every night.
 * The SDK's version is pinned by redup's lock file; docs/s3.md says which Node versions are served.
 */
function quietly<T>(make: () => T): T {
  const name = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED';
  const before = process.env[name];
  process.env[name] = 'true';
  try {
    return make();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}
