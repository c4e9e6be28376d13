/**
 * A command that is under way: a promise of its result, and an iterable of what it tells meanwhile.
 *
 * ```ts
 * const operation = repository.backup({ source: '/home/me' });
 * for await (const event of operation) if (event.type === 'progress') show(event);
 * const { statistics } = await operation;
 * ```
 *
 * It runs whether or not anybody iterates. Who iterates sets its pace: an iterator that falls behind by
 * {@link WAITING_EVENTS} events makes the command wait at its next pause, so that nothing piles up. Leaving the loop ends
 * the listening, not the command; that is what the `AbortSignal` of its options is for.
 */

import type { EventListener, RedupEvent } from './events.js';

/** What a command gets to tell its events with. */
export interface Telling {
  readonly emit: EventListener;
  /** To be awaited where the command can wait: resolves at once unless a listener has fallen behind. */
  pace(): Promise<void> | undefined;
}

const WAITING_EVENTS = 1000;

export class Operation<T> implements Promise<T>, AsyncIterable<RedupEvent> {
  readonly [Symbol.toStringTag] = 'Operation';
  readonly #result: Promise<T>;
  readonly #queues = new Set<EventQueue>();
  #ended = false;
  #isAwaited = false;

  /**
   * @param run starts in a microtask, so that whoever makes an operation and iterates misses nothing
   * @param signal once it has fired, no iterator holds the command up
   */
  constructor(run: (telling: Telling) => Promise<T>, signal?: AbortSignal) {
    const telling: Telling = {
      emit: (event) => {
        for (const queue of this.#queues) queue.push(event);
      },
      pace: () => {
        for (const queue of this.#queues) if (queue.isLong) return this.#pace(signal);
        return undefined;
      },
    };
    this.#result = Promise.resolve()
      .then(() => run(telling))
      .finally(() => {
        this.#ended = true;
        for (const queue of this.#queues) queue.end();
      });
  }

  /** Events from now on, until the command has ended; throws what the command rejects with. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RedupEvent, void, undefined> {
    // The loop throws it; nobody needs to await the operation as well.
    this.#result.catch(() => {});
    const queue = new EventQueue();
    this.#queues.add(queue);
    if (this.#ended) queue.end();
    let isRead = false;
    try {
      yield* queue.events();
      isRead = true;
    } finally {
      this.#queues.delete(queue);
      queue.leave();
      if (!isRead) this.#result.catch((error: unknown) => setImmediate(() => this.#raise(error)));
    }
    await this.#result;
  }

  // biome-ignore lint/suspicious/noThenProperty: an operation is a promise
  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#isAwaited = true;
    return this.#result.then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    this.#isAwaited = true;
    return this.#result.catch(rejected);
  }

  finally(settled?: (() => void) | null): Promise<T> {
    this.#isAwaited = true;
    return this.#result.finally(settled);
  }

  /** Who left the loop and awaits nothing learns of a failure as with any promise: it is an unhandled rejection. */
  #raise(error: unknown): void {
    if (!this.#isAwaited) void Promise.reject(error);
  }

  async #pace(signal: AbortSignal | undefined): Promise<void> {
    for (const queue of this.#queues) if (queue.isLong && signal?.aborted !== true) await queue.emptied(signal);
  }
}

/** What one iterator has not taken yet. */
class EventQueue {
  #events: RedupEvent[] = [];
  #ended = false;
  #wake: (() => void) | undefined;
  #emptied: (() => void) | undefined;

  get isLong(): boolean {
    return this.#events.length >= WAITING_EVENTS;
  }

  push(event: RedupEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Nobody takes any more: whoever waits for that goes on. */
  leave(): void {
    this.#events = [];
    this.#emptied?.();
  }

  emptied(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        signal?.removeEventListener('abort', go);
        resolve();
      };
      this.#emptied = go;
      signal?.addEventListener('abort', go);
    });
  }

  async *events(): AsyncGenerator<RedupEvent, void, undefined> {
    for (;;) {
      const taken = this.#events;
      this.#events = [];
      yield* taken;
      this.#emptied?.();
      if (this.#events.length > 0) continue;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
