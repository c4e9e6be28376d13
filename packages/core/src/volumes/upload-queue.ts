/**
 * Uploads beside the backup: up to `concurrency` at once, confirmed in the order in which they were added, so that a
 * manifest never names a volume that isn't safely stored. The number of files that wait is bounded: `hasRoom`.
 *
 * An upload begins and ends with questions and answers, for which a link of 50 ms latency lies idle. So an upload makes room for the
 * next one when most of its bytes are out: then the link has something to do all the time.
 */

type Upload = (makeRoom: () => void) => Promise<void>;

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
   * @param upload stores one object; calls back when the next one may begin, at the latest when it is done
   * @param confirm runs after it and after every earlier confirmation
   */
  add(upload: Upload, confirm: () => void | Promise<void>): void {
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

  async #start(upload: Upload): Promise<void> {
    if (this.#running >= this.#concurrency) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    let isRunning = true;
    const makeRoom = (): void => {
      if (!isRunning) return;
      isRunning = false;
      this.#running--;
      this.#waiting.shift()?.();
    };
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      await upload(makeRoom);
    } finally {
      makeRoom();
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
