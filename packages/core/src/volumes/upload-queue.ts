/**
 * Uploads beside the backup: up to `concurrency` at once, confirmed in the order in which they were added, so that a
 * manifest never names a volume that isn't safely stored. The number of files that wait is bounded: `hasRoom`.
 */

export class UploadQueue {
  readonly #concurrency: number;
  #running = 0;
  #unconfirmed = 0;
  readonly #waiting: (() => void)[] = [];
  #tail: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #progress: (() => void)[] = [];

  constructor(concurrency: number) {
    this.#concurrency = Math.max(1, concurrency);
  }

  /** False when as many files wait on disk as are allowed: one per upload and one in reserve. */
  get hasRoom(): boolean {
    this.#check();
    return this.#unconfirmed <= this.#concurrency;
  }

  /**
   * @param upload stores one object
   * @param confirm runs after it and after every earlier confirmation
   */
  add(upload: () => Promise<void>, confirm: () => void | Promise<void>): void {
    this.#check();
    this.#unconfirmed++;
    const done = this.#start(upload);
    // Handled through the chain below; a later failure in the chain must not leave this one unobserved.
    done.catch(() => {});
    this.#tail = this.#tail.then(async () => {
      await done;
      await confirm();
      this.#unconfirmed--;
      this.#notify();
    });
    this.#tail.catch((error: unknown) => {
      this.#failure ??= { error };
      this.#notify();
    });
  }

  /** Resolves when something was confirmed. @throws what an upload threw */
  async progress(): Promise<void> {
    this.#check();
    if (this.#unconfirmed === 0) return;
    await new Promise<void>((resolve) => this.#progress.push(resolve));
    this.#check();
  }

  /** Waits for everything that was added. @throws what an upload threw */
  async settle(): Promise<void> {
    await this.#tail;
    this.#check();
  }

  async #start(upload: () => Promise<void>): Promise<void> {
    if (this.#running >= this.#concurrency) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      await upload();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #notify(): void {
    const waiting = this.#progress;
    this.#progress = [];
    for (const resolve of waiting) resolve();
  }
}
