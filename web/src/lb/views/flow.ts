import type { Backend, Model, Pool } from "../model";
import { canvasOf, colour } from "../../shared/canvas";
import { percent, rate } from "../../shared/format";

/** More backends than this are drawn as cells without names. */
export const MAX_NAMED = 14;
const CELL = 11;

interface Place {
  x: number;
  y: number;
  w: number;
  h: number;
}

interface Node extends Place {
  title: string;
  note: string;
  tone: string;
}

/** Something on the picture that can be pointed at. */
export interface Spot extends Place {
  backend: Backend;
}

interface Link {
  from: Place;
  to: Place;
  /** Part of all traffic, 0 to 1. */
  share: number;
  tone: string;
}

const TONES: Record<string, string> = {
  ejected: "--bad",
  probation: "--warn",
  "slow-start": "--warn",
  draining: "--off",
  disabled: "--off",
};

export function toneOf(state: string): string {
  return TONES[state] ?? "--good";
}

/** Draws listener, route, pool and backends, and what flows between them. Returns the spots. */
export function drawFlow(
  canvas: HTMLCanvasElement,
  model: Model,
  phase: number,
  selected: Backend | null,
): Spot[] {
  const drawn = canvasOf(canvas);
  if (!drawn) return [];
  const { ctx, width, height } = drawn;
  const isNarrow = width < 560;
  const { nodes, links, spots } = layout(model, width, height, isNarrow);
  for (const link of links) drawLink(ctx, link);
  // By the golden ratio, so that links with one dot each do not move in step.
  links.forEach((link, index) => drawDots(ctx, link, phase + index * 0.618));
  for (const node of nodes) drawNode(ctx, node, isNarrow);
  for (const spot of spots) drawSpot(ctx, spot, selected === spot.backend, isNarrow);
  return spots;
}

interface Picture {
  nodes: Node[];
  links: Link[];
  spots: Spot[];
}

function layout(model: Model, width: number, height: number, isNarrow: boolean): Picture {
  const picture: Picture = { nodes: [], links: [], spots: [] };
  const total = model.pools.reduce((sum, pool) => sum + pool.rate, 0);
  const hasRoutes = model.routes.length > 0;
  const columns = hasRoutes ? 4 : 3;
  const nodeWidth = isNarrow ? Math.min(86, width / columns - 14) : Math.min(176, width / 5);
  const x = (column: number) => (column * (width - nodeWidth)) / (columns - 1);
  const listeners = model.listeners.map((listener, index) =>
    add(picture, {
      ...slot(x(0), index, model.listeners.length, nodeWidth, height, 46),
      title: listener.addresses.map((one) => one.address).join(", ") || "listener",
      note: listener.mode === "tcp" ? "tcp" : "http",
      tone: "--accent",
    }),
  );
  const routes = model.routes.map((route, index) =>
    add(picture, {
      ...slot(x(1), index, model.routes.length, nodeWidth, height, 40),
      title: route.matches.join(" or "),
      note: route.pools.length > 0 ? route.target : `${route.target} ${route.status ?? ""}`,
      tone: "--accent",
    }),
  );
  const pools = model.pools.map((pool, index) =>
    add(picture, {
      ...slot(x(columns - 2), index, model.pools.length, nodeWidth, height, 50),
      title: pool.name,
      note: `${rate(pool.rate)}/s · ${pool.strategy}`,
      tone: pool.queued > 0 ? "--warn" : "--accent",
    }),
  );
  const shareOf = (pool: Pool | undefined) => (pool && total > 0 ? pool.rate / total : 0);
  model.routes.forEach((route, index) => {
    const from = listeners[route.listener];
    const to = routes[index];
    const reached = route.pools.map((name) => model.pools.findIndex((one) => one.name === name));
    const share = reached.reduce((sum, at) => sum + shareOf(model.pools[at]), 0);
    if (from && to) picture.links.push({ from, to, share: Math.min(1, share), tone: "--flow" });
    for (const at of reached) {
      const pool = pools[at];
      if (to && pool) {
        const part = shareOf(model.pools[at]);
        picture.links.push({ from: to, to: pool, share: part, tone: "--flow" });
      }
    }
  });
  model.listeners.forEach((listener, index) => {
    const at = model.pools.findIndex((pool) => pool.name === listener.default_pool);
    const from = listeners[index];
    const to = pools[at];
    if (from && to) {
      picture.links.push({ from, to, share: shareOf(model.pools[at]), tone: "--flow" });
    }
  });
  placeBackends(picture, model, pools, {
    x: x(columns - 1), width: nodeWidth, height, total,
  });
  return picture;
}

function add(picture: Picture, node: Node): Node {
  picture.nodes.push(node);
  return node;
}

function slot(
  x: number, index: number, count: number, w: number, height: number, most: number,
): Place {
  const room = height / count;
  const h = Math.min(most, room - 6);
  return { x, y: room * index + (room - h) / 2, w, h };
}

function placeBackends(
  picture: Picture,
  model: Model,
  pools: Node[],
  area: { x: number; width: number; height: number; total: number },
): void {
  const count = model.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  const isNamed = count <= MAX_NAMED;
  if (!isNamed) {
    // Wider than a name, so that hundreds are no tower.
    const room = area.x - Math.max(...pools.map((pool) => pool.x + pool.w)) - 36;
    const more = Math.max(0, Math.min(room, 150));
    area.x -= more;
    area.width += more;
  }
  let index = 0;
  model.pools.forEach((pool, at) => {
    const from = pools[at];
    if (!from) return;
    const room = area.height / model.pools.length;
    const perRow = Math.max(1, Math.floor(area.width / CELL));
    const rows = Math.ceil(pool.backends.length / perRow);
    const step = Math.min(CELL, (room - 8) / Math.max(rows, 1));
    const top = room * at + (room - rows * step) / 2;
    pool.backends.forEach((backend, nth) => {
      const place = isNamed
        ? slot(area.x, index, count, area.width, area.height, 40)
        : {
            x: area.x + (nth % perRow) * CELL,
            y: top + Math.floor(nth / perRow) * step,
            w: CELL - 1.5,
            h: step - 1.5,
          };
      picture.spots.push({ ...place, backend });
      if (isNamed) {
        const share = area.total > 0 ? backend.rate / area.total : 0;
        const tone = backend.rate > 0 ? "--flow" : toneOf(backend.about.state);
        picture.links.push({ from, to: place, share, tone });
      }
      index += 1;
    });
    if (!isNamed && pool.backends.length > 0) {
      const to = { x: area.x, y: top, w: area.width, h: rows * step };
      const share = area.total > 0 ? pool.rate / area.total : 0;
      picture.links.push({ from, to, share, tone: "--flow" });
    }
  });
}

function ends({ from, to }: Link): [number, number, number, number] {
  return [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2];
}

function drawLink(ctx: CanvasRenderingContext2D, link: Link): void {
  const [x0, y0, x1, y1] = ends(link);
  const middle = (x0 + x1) / 2;
  ctx.strokeStyle = colour(link.share > 0 ? "--band" : "--line");
  ctx.lineWidth = link.share > 0 ? 2 + 22 * link.share : 1;
  ctx.setLineDash(link.share > 0 ? [] : [3, 4]);
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.bezierCurveTo(middle, y0, middle, y1, x1, y1);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Dots that run along a link, more of them where more flows. */
function drawDots(ctx: CanvasRenderingContext2D, link: Link, phase: number): void {
  if (link.share <= 0) return;
  const [x0, y0, x1, y1] = ends(link);
  const middle = (x0 + x1) / 2;
  const dots = Math.max(1, Math.round(link.share * 12));
  const lanes = 1 + 8 * link.share;
  ctx.fillStyle = colour(link.tone);
  for (let dot = 0; dot < dots; dot++) {
    const t = (dot / dots + phase) % 1;
    const u = 1 - t;
    const px = u * u * u * x0 + 3 * u * u * t * middle + 3 * u * t * t * middle + t * t * t * x1;
    const py = u * u * u * y0 + 3 * u * u * t * y0 + 3 * u * t * t * y1 + t * t * t * y1;
    const aside = (((dot * 7) % 5) - 2) * (lanes / 4);
    ctx.beginPath();
    ctx.arc(px, py + aside, 2.1, 0, 7);
    ctx.fill();
  }
}

function box(ctx: CanvasRenderingContext2D, place: Place, fill: string, edge: string): void {
  ctx.beginPath();
  ctx.roundRect(place.x + 0.5, place.y + 0.5, place.w - 1, place.h - 1, 6);
  ctx.fillStyle = colour(fill);
  ctx.fill();
  ctx.lineWidth = 1;
  ctx.strokeStyle = colour(edge);
  ctx.stroke();
}

function text(
  ctx: CanvasRenderingContext2D, what: string, place: Place, dy: number, tone: string, bold: boolean,
): void {
  ctx.font = `${bold ? 600 : 400} ${bold ? 12.5 : 11.5}px system-ui, sans-serif`;
  ctx.fillStyle = colour(tone);
  const room = place.w - 20;
  ctx.fillText(fitted(ctx, what, room), place.x + 12, place.y + dy);
}

/** A text in so much room. Of an address the end tells it from others, of words the beginning. */
function fitted(ctx: CanvasRenderingContext2D, what: string, room: number): string {
  if (ctx.measureText(what).width <= room) return what;
  const isAddress = /:\d+$/.test(what);
  let shown = what;
  const cut = () => (isAddress ? `…${shown}` : `${shown.trimEnd()}…`);
  while (shown.length > 1 && ctx.measureText(cut()).width > room) {
    shown = isAddress ? shown.slice(1) : shown.slice(0, -1);
  }
  return cut();
}

function drawNode(ctx: CanvasRenderingContext2D, node: Node, isNarrow: boolean): void {
  box(ctx, node, "--raised", "--line");
  ctx.fillStyle = colour(node.tone);
  ctx.fillRect(node.x + 1, node.y + 8, 3, node.h - 16);
  const middle = node.h / 2;
  if (isNarrow || node.h < 34) return text(ctx, node.title, node, middle + 4, "--text", true);
  text(ctx, node.title, node, middle - 3, "--text", true);
  text(ctx, node.note, node, middle + 13, "--muted", false);
}

function drawSpot(
  ctx: CanvasRenderingContext2D, spot: Spot, isSelected: boolean, isNarrow: boolean,
): void {
  const { about, share, rate: perSecond } = spot.backend;
  const tone = toneOf(about.state);
  if (spot.w < 2 * CELL) {
    ctx.globalAlpha = tone === "--good" ? Math.min(1, 0.25 + share * spot.backend.about.weight * 60) : 1;
    ctx.fillStyle = colour(tone);
    ctx.fillRect(spot.x, spot.y, spot.w, spot.h);
    ctx.globalAlpha = 1;
    if (isSelected) {
      ctx.strokeStyle = colour("--text");
      ctx.strokeRect(spot.x - 0.5, spot.y - 0.5, spot.w + 1, spot.h + 1);
    }
    return;
  }
  box(ctx, spot, "--raised", isSelected ? "--accent" : "--line");
  ctx.fillStyle = colour(tone);
  ctx.fillRect(spot.x + 1, spot.y + 6, 3, spot.h - 12);
  const middle = spot.h / 2;
  const isOut = tone !== "--good" && perSecond === 0;
  const note = isOut ? about.state : `${percent(share)} · ${rate(perSecond)}/s`;
  if (spot.h < 32) return text(ctx, `${about.name}  ${note}`, spot, middle + 4, "--text", false);
  text(ctx, about.name, spot, middle - 3, "--text", true);
  text(ctx, isNarrow && !isOut ? percent(share) : note, spot, middle + 13, "--muted", false);
}
