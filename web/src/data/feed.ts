import type { SseEvent } from "./sse";
import { type Link, LiveStream } from "./stream";

/** A page draws no more often. */
const DRAW_PAUSE_MS = 100;

/** What a page knows, the stream that feeds it, and what is to be drawn again when it changes. */
export abstract class Feed {
  link: Link = "connecting";
  message = "";
  private version = 0;
  private readonly listeners = new Set<() => void>();
  private timer: number | undefined;
  private drawnAt = 0;
  private readonly stream = new LiveStream({
    path: () => this.path(),
    take: (events) => {
      this.take(events);
      this.draw();
    },
    link: (link, message) => {
      const wasLive = this.link === "live";
      this.link = link;
      this.message = message ?? "";
      if (link === "live" && !wasLive) this.opened();
      this.draw();
    },
  });

  /** Where the stream goes on from what is known. */
  protected abstract path(): string;

  protected abstract take(events: SseEvent[]): void;

  /** The stream is open, for the first time or again. */
  protected opened(): void {}

  start(): void {
    this.stream.start();
  }

  reconnect(): void {
    this.stream.restart();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): number => this.version;

  protected draw(): void {
    if (this.timer !== undefined) return;
    const wait = Math.max(0, this.drawnAt + DRAW_PAUSE_MS - performance.now());
    this.timer = window.setTimeout(() => {
      this.timer = undefined;
      this.drawnAt = performance.now();
      this.version += 1;
      for (const listener of this.listeners) listener();
    }, wait);
  }
}
