/**
 * A simulated Glacier, as a proxy's plan before a real server: objects stored in a Glacier class can't be read until they were
 * asked for, and some time has passed. Ceph keeps the classes' names but reads every object at once.
 */

import type { ProxiedRequest, ProxyFault, ProxyPlan } from './proxy.js';

export interface ColdTier {
  readonly plan: ProxyPlan;
  /** Paths that were asked for, with the body's tier left aside, in order. */
  readonly recalled: readonly string[];
}

const COLD = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** @param recallMs how long fetching an object back takes */
export function coldTier(recallMs: number): ColdTier {
  const stored = new Set<string>();
  const readyAt = new Map<string, number>();
  const recalled: string[] = [];

  const plan = ({ method, url, headers }: ProxiedRequest): ProxyFault | undefined => {
    const [path = '', query = ''] = url.split('?');
    const storageClass = headers['x-amz-storage-class'];
    if ((method === 'PUT' && !query.includes('partNumber')) || (method === 'POST' && query === 'uploads')) {
      if (typeof storageClass === 'string' && COLD.has(storageClass)) stored.add(path);
      return undefined;
    }
    if (!stored.has(path)) return undefined;
    const ready = readyAt.get(path);
    if (method === 'POST' && /^restore\b/.test(query)) {
      if (ready !== undefined && ready > Date.now()) return refuse(409, 'RestoreAlreadyInProgress');
      recalled.push(path);
      readyAt.set(path, Date.now() + recallMs);
      return { kind: 'answer', status: 202 };
    }
    if (method === 'GET' && (ready === undefined || ready > Date.now())) return refuse(403, 'InvalidObjectState');
    if (method === 'HEAD') return { kind: 'headers', answer: { 'x-amz-restore': restoreHeader(ready) } };
    return undefined;
  };
  return { plan, recalled };
}

function restoreHeader(ready: number | undefined): string | undefined {
  if (ready === undefined) return undefined;
  if (ready > Date.now()) return 'ongoing-request="true"';
  return 'ongoing-request="false", expiry-date="Fri, 01 Jan 2100 00:00:00 GMT"';
}

function refuse(status: number, code: string): ProxyFault {
  return { kind: 'answer', status, code, message: "The operation is not valid for the object's storage class" };
}
