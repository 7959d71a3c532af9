import { ask, Refused } from "./api";
import { type SseEvent, SseParser } from "./sse";

export type Link = "connecting" | "live" | "lost" | "paused" | "locked";

export interface StreamTarget {
  /** Where the stream is; asked for anew at each connection. */
  path(): string;
  take(events: SseEvent[]): void;
  link(link: Link, message?: string): void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Follows the live stream: takes it up again where it broke off, and lets it go while nobody looks
 * at the page. By fetch and not by EventSource, which cannot send a token.
 */
export class LiveStream {
  private abort: AbortController | null = null;
  private timer: number | undefined;
  private pause = FIRST_PAUSE_MS;
  private isStopped = true;

  constructor(private readonly target: StreamTarget) {}

  start(): void {
    this.isStopped = false;
    document.addEventListener("visibilitychange", this.onVisibility);
    this.connect();
  }

  stop(): void {
    this.isStopped = true;
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.leave();
  }

  /** Connects anew at once, with what is known now. */
  restart(): void {
    this.leave();
    this.pause = FIRST_PAUSE_MS;
    this.connect();
  }

  private readonly onVisibility = (): void => {
    if (document.hidden) {
      this.leave();
      this.target.link("paused");
    } else {
      this.restart();
    }
  };

  private leave(): void {
    window.clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  private connect(): void {
    if (this.isStopped || document.hidden) return;
    window.clearTimeout(this.timer);
    const abort = new AbortController();
    this.abort = abort;
    this.follow(abort.signal)
      .catch((error: unknown) => error)
      .then((error) => {
        if (!abort.signal.aborted) this.broke(error);
      });
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const response = await ask("GET", this.target.path(), undefined, signal);
    const body = response.body;
    if (!body) return;
    this.target.link("live");
    this.pause = FIRST_PAUSE_MS;
    const parser = new SseParser();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (signal.aborted) return;
      const events = parser.push(value);
      if (events.length > 0) this.target.take(events);
    }
  }

  private broke(error: unknown): void {
    if (error instanceof Refused && error.status === 401) {
      this.target.link("locked", error.message);
      return;
    }
    this.target.link("lost", error instanceof Error ? error.message : undefined);
    this.timer = window.setTimeout(() => this.connect(), this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }
}
