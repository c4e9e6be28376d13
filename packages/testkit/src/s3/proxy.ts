/**
 * A proxy on loopback between a client and an S3 server, on which things go wrong as a plan says. It passes requests on with
 * their `Host` header, so that signatures hold, streams both ways, and notes what it saw.
 */

import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProxiedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** How many came before. */
  readonly index: number;
}

export type ProxyFault =
  /** Answers by itself; the server hears nothing. `code` and `message` make an S3 error document. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly code?: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The connection is reset: before the request is passed on; after that many bytes of its body; after the server has done
   *  everything; after that many bytes of the answer's body. */
  | { readonly kind: 'reset'; readonly when: 'before' | 'after' }
  | { readonly kind: 'reset-request' | 'reset-answer'; readonly after: number }
  /** The answer's body ends early, cleanly, under a length that fits. */
  | { readonly kind: 'truncate-answer'; readonly after: number }
  /** The connection stays open and silent: without, or after, the server's having done everything. */
  | { readonly kind: 'stall'; readonly when: 'before' | 'after' }
  /** One bit of the body is flipped. */
  | { readonly kind: 'flip-request' | 'flip-answer'; readonly at: number }
  /** Changes the request's or the answer's headers. */
  | { readonly kind: 'headers'; readonly request?: Headers; readonly answer?: Headers };

/** Undefined removes a header. */
type Headers = Readonly<Record<string, string | undefined>>;

export type ProxyPlan = (request: ProxiedRequest) => ProxyFault | undefined | Promise<ProxyFault | undefined>;

export interface ProxyOptions {
  /** `http://host:port` */
  readonly target: string;
  readonly plan?: ProxyPlan;
  /** One way, in milliseconds; a request waits that long, and so does its answer. */
  readonly latencyMs?: number;
  /** Each way, over all connections together. */
  readonly bytesPerSecond?: number;
}

export interface S3Proxy {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** Everything that came, in order. */
  readonly requests: ProxiedRequest[];
  /** Bodies that went up so far, and when (`performance.now()`). */
  readonly uploaded: Readonly<Traffic>;
  /** May be replaced at any time. */
  plan: ProxyPlan;
  /** Refuses new connections and cuts those there are, until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

export interface Traffic {
  bytes: number;
  firstAt: number;
  lastAt: number;
}

export async function startS3Proxy(options: ProxyOptions): Promise<S3Proxy> {
  const requests: ProxiedRequest[] = [];
  const sockets = new Set<Socket>();
  const link = new Link(options);
  const server = createServer((request, answer) => {
    void serve(request, answer);
  });
  server.on('checkContinue', (request: IncomingMessage, answer: ServerResponse) => {
    void serve(request, answer);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });

  async function serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const seen = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      index: requests.length,
    };
    requests.push(seen);
    // Afterwards a request whose connection has ended doesn't know its socket any more.
    const { socket } = request;
    const fault = await proxy.plan(seen);
    await link.delay();
    try {
      await pass(request, answer, fault, options.target, link);
    } catch {
      // One side broke off; the other one is to notice.
      socket.destroy();
    }
  }

  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => {
      server.listen(port, '127.0.0.1', resolve);
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const pause = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  const proxy: S3Proxy = {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    uploaded: link.uploaded,
    plan: options.plan ?? (() => undefined),
    pause,
    resume: () => listen(port),
    close: async () => {
      if (server.listening) await pause();
    },
  };
  return proxy;
}

async function pass(
  request: IncomingMessage,
  answer: ServerResponse,
  fault: ProxyFault | undefined,
  target: string,
  link: Link,
): Promise<void> {
  const { socket } = request;
  if (fault?.kind === 'answer') return respond(request, answer, fault);
  if (fault?.kind === 'reset' && fault.when === 'before') return reset(socket);
  if (fault?.kind === 'stall' && fault.when === 'before') return;
  if (request.headers.expect !== undefined) answer.writeContinue();
  const upstream = await exchange(request, fault, target, link);
  await link.delay();
  if (fault?.kind === 'reset' && fault.when === 'after') {
    upstream.resume();
    await new Promise((resolve) => upstream.on('end', resolve));
    return reset(socket);
  }
  if (fault?.kind === 'stall' && fault.when === 'after') return;
  const headers: Record<string, string | string[] | undefined> = { ...upstream.headers };
  if (fault?.kind === 'headers') change(headers, fault.answer);
  const length = Number(headers['content-length']);
  if (fault?.kind === 'truncate-answer' && length > fault.after) headers['content-length'] = String(fault.after);
  answer.writeHead(upstream.statusCode ?? 500, defined(headers));
  if (fault?.kind === 'truncate-answer') return pipeline(upstream, cut(fault.after), answer);
  if (fault?.kind === 'reset-answer') {
    answer.flushHeaders();
    return pipeline(
      upstream,
      breakOff(fault.after, () => reset(socket)),
      answer,
    );
  }
  if (fault?.kind === 'flip-answer') return pipeline(upstream, flip(fault.at), link.shape(), answer);
  return pipeline(upstream, link.shape(), answer);
}

/** Passes the request on and returns the server's answer. */
async function exchange(
  request: IncomingMessage,
  fault: ProxyFault | undefined,
  target: string,
  link: Link,
): Promise<IncomingMessage> {
  const { socket } = request;
  const { hostname, port } = new URL(target);
  const headers: Record<string, string | string[] | undefined> = { ...request.headers };
  delete headers['expect'];
  if (fault?.kind === 'headers') change(headers, fault.request);
  const upstream = httpRequest({
    hostname,
    port,
    method: request.method,
    path: request.url,
    headers: defined(headers),
    agent: false,
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    upstream.on('response', resolve);
    upstream.on('error', reject);
  });
  answered.catch(() => {});
  const stages =
    fault?.kind === 'reset-request'
      ? [breakOff(fault.after, () => reset(socket))]
      : fault?.kind === 'flip-request'
        ? [flip(fault.at), link.shape(link.uploaded)]
        : [link.shape(link.uploaded)];
  await pipeline([request, ...stages, upstream]);
  return answered;
}

function respond(request: IncomingMessage, answer: ServerResponse, fault: ProxyFault & { kind: 'answer' }): void {
  const message = `<Message>${fault.message ?? ''}</Message>`;
  const document = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${fault.code}</Code>${message}</Error>`;
  const body = fault.body ?? (fault.code === undefined ? '' : document);
  // The body that still comes is swallowed, so that the client gets to read the answer.
  request.resume();
  answer.writeHead(fault.status, { 'content-type': 'application/xml', ...fault.headers });
  answer.end(request.method === 'HEAD' ? '' : body);
}

function reset(socket: Socket): void {
  socket.resetAndDestroy();
}

function change(headers: Record<string, string | string[] | undefined>, changes: Headers | undefined): void {
  for (const [name, value] of Object.entries(changes ?? {})) headers[name] = value;
}

function defined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function cut(after: number): Transform {
  let left = after;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      done(null, part);
    },
  });
}

function breakOff(after: number, act: () => void): Transform {
  let left = after;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left >= 0) return done(null, chunk);
      this.push(chunk.subarray(0, chunk.length + left));
      // What was pushed gets a moment to leave.
      setTimeout(() => {
        act();
        done(new Error('broken off'));
      }, 5);
    },
    flush(done) {
      act();
      done(new Error('broken off'));
    },
  });
}

function flip(at: number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const place = at - seen;
      seen += chunk.length;
      const copy = Buffer.from(chunk);
      const byte = copy[place];
      if (byte !== undefined) copy[place] = byte ^ 1;
      done(null, copy);
    },
  });
}

const SLACK_MS = 30;

/** Latency and bandwidth, each way. */
class Link {
  readonly uploaded: Traffic = { bytes: 0, firstAt: 0, lastAt: 0 };
  readonly #latencyMs: number;
  readonly #bytesPerMs: number | undefined;
  #freeAt = 0;

  constructor({ latencyMs = 0, bytesPerSecond }: ProxyOptions) {
    this.#latencyMs = latencyMs;
    this.#bytesPerMs = bytesPerSecond === undefined ? undefined : bytesPerSecond / 1000;
  }

  async delay(): Promise<void> {
    if (this.#latencyMs > 0) await sleep(this.#latencyMs);
  }

  shape(traffic?: Traffic): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        const now = performance.now();
        if (traffic !== undefined) {
          if (traffic.bytes === 0) traffic.firstAt = now;
          traffic.bytes += chunk.length;
          traffic.lastAt = now;
        }
        if (this.#bytesPerMs === undefined) return done(null, chunk);
        // What timers are late by may be caught up with, a little, so that the mean rate is the one asked for.
        this.#freeAt = Math.max(this.#freeAt, now - SLACK_MS) + chunk.length / this.#bytesPerMs;
        if (this.#freeAt <= now) done(null, chunk);
        else setTimeout(() => done(null, chunk), this.#freeAt - now);
      },
    });
  }
}
