import { useSyncExternalStore } from "react";
import { get } from "./api";
import { Model } from "./model";
import { type Link, LiveStream } from "./stream";
import type { Listener, Route } from "./types";

/** The page draws no more often. */
const DRAW_PAUSE_MS = 100;

/** The model, the stream that feeds it, and who is to be told. */
class Store {
  readonly model = new Model();
  link: Link = "connecting";
  message = "";
  private version = 0;
  private readonly listeners = new Set<() => void>();
  private timer: number | undefined;
  private drawnAt = 0;
  private readonly stream = new LiveStream({
    lastSeq: () => this.model.lastSeq,
    take: (events) => {
      if (this.model.take(events)) {
        this.model.restarted();
        this.loadTopology();
        this.stream.restart();
      }
      this.draw();
    },
    link: (link, message) => {
      const wasLive = this.link === "live";
      this.link = link;
      this.message = message ?? "";
      if (link === "live" && !wasLive) this.loadTopology();
      this.draw();
    },
  });

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

  private loadTopology(): void {
    const model = this.model;
    Promise.all([
      get<{ listeners: Listener[] }>("/v1/listeners"),
      get<{ routes: Route[] }>("/v1/routes"),
    ]).then(
      ([{ listeners }, { routes }]) => {
        model.listeners = listeners;
        model.routes = routes;
        this.draw();
      },
      // The stream tells what is wrong, and asks again.
      () => undefined,
    );
  }

  private draw(): void {
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

export const store = new Store();

/** The model, drawn again whenever it has changed. */
export function useModel(): Model {
  useSyncExternalStore(store.subscribe, store.snapshot);
  return store.model;
}

/** The link to lb, and what is wrong with it. */
export function useLink(): { link: Link; message: string } {
  useSyncExternalStore(store.subscribe, store.snapshot);
  return { link: store.link, message: store.message };
}
